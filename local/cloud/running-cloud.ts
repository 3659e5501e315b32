import type { CloudEnvironment } from './environment.ts';

/** A laptop cloud that runs. */
export interface Cloud {
  readonly directory: string;
  readonly endpointUrl: string;
  readonly sagemakerUrl: string;
  /** What containers of jobs and endpoints have on this machine, and what they lack. */
  readonly containers: string;
  /** Variables by which the AWS CLI, the CDK and every SDK work with this cloud and no other. */
  readonly environment: CloudEnvironment;
  /** False when it ran before. */
  readonly started: boolean;
}
