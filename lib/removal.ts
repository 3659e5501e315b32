/** Destroying data takes two keys: `removal: 'destroy'` in flywheel.config.ts, and the environment's name at the command line. */
import type { Construct } from 'constructs';
import type { Environment } from './config/index.ts';

const SECOND_KEY = 'destroyData';

/** @throws when the command line names an environment that does not allow it */
export function destroysData(scope: Construct, { name, removal }: Environment): boolean {
  const asked: unknown = scope.node.tryGetContext(SECOND_KEY);
  if (asked !== name) return false;
  if (removal === 'destroy') return true;
  throw new Error(
    `got -c ${SECOND_KEY}=${name}, expected an environment with removal: 'destroy': set it in flywheel.config.ts, deploy, and try again`,
  );
}
