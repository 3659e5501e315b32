/** From an upload to a judged model: dataset versions, training, evaluation, and the journal of what happened. */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { DatasetVersioning } from '../constructs/dataset-versioning.ts';
import { Evaluation } from '../constructs/evaluation.ts';
import type { EventFunction } from '../constructs/event-function.ts';
import { Journal } from '../constructs/journal.ts';
import type { Platform } from '../constructs/platform.ts';
import { ProjectRoles } from '../constructs/project-roles.ts';
import { Training } from '../constructs/training.ts';

export interface PipelineStackProps extends StackProps {
  readonly platform: Platform;
}

export class PipelineStack extends Stack {
  readonly roles: ProjectRoles;
  readonly functions: readonly EventFunction[];

  constructor(scope: Construct, id: string, { platform, ...props }: PipelineStackProps) {
    super(scope, id, props);
    this.roles = new ProjectRoles(this, 'Projects', { platform });
    const roles = this.roles;
    const evaluation = new Evaluation(this, 'Evaluation', { platform, roles });
    this.functions = [
      new DatasetVersioning(this, 'DatasetVersioning', { platform }),
      new Training(this, 'Training', { platform, roles }),
      evaluation,
      new Journal(this, 'Journal', { platform }),
    ].flatMap((capability) => capability.functions);
    new CfnOutput(this, 'UnansweredRequestsQueue', { value: evaluation.unansweredRequests.queueUrl });
  }
}
