/** One laptop cloud for the tests of stores and handlers; each test file makes its own table, bus and buckets in it. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { startCloud, stopCloud } from '../../local/cloud.ts';

const directory = join(import.meta.dirname, '../../.flywheel/test', `cloud-${process.pid}`);

export async function setup(): Promise<() => Promise<void>> {
  const cloud = await startCloud({ directory, ports: { cloud: 0, sagemaker: 0 } });
  // Workers start with these, so every SDK client of a test finds this cloud and no other.
  Object.assign(process.env, cloud.environment);
  return async () => {
    await stopCloud({ directory });
    rmSync(directory, { recursive: true, force: true });
  };
}
