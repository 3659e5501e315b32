/** A laptop cloud of one's own, emptied and deployed: what the demo and the bench of the loop begin with. */
import { deployToCloud, resetCloud, startCloud } from '../../local/cloud.ts';
import { open, type Session } from '../command.ts';
import { LOCAL } from '../connection.ts';

/** @param directory its state; emptied first. The process's `--env local` means this cloud from then on. */
export async function freshCloud(directory: string, say: (line: string) => void): Promise<Session> {
  say('A laptop cloud, empty: AWS as a process, SageMaker as a process, IAM enforced');
  await resetCloud({ directory });
  const cloud = await startCloud({ directory, ports: { cloud: 0, sagemaker: 0 } });
  say('cdk deploy: the same stacks as in an account');
  await deployToCloud(cloud, { stacks: [`${LOCAL}/**`] });
  process.env.FLYWHEEL_LOCAL = directory;
  return open({ env: LOCAL, json: false });
}
