/** Seconds of `cdk synth` for all environments, as a user runs it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleHandlers, repositoryRoot } from '../lib/bundle.ts';

const LIMIT_SECONDS = 15;

export async function run() {
  const synth = await seconds(synthesize);
  const bundle = await seconds(bundleHandlers);
  return [
    {
      metric: 'cdk synth, all environments',
      value: synth,
      unit: 's',
      against: { name: 'limit', value: LIMIT_SECONDS },
      ratio: Math.round((LIMIT_SECONDS / synth) * 10) / 10,
    },
    { metric: 'of it bundling', value: bundle, unit: 's' },
  ];
}

function synthesize(): void {
  const output = mkdtempSync(join(tmpdir(), 'synth-'));
  const cdk = join(repositoryRoot, 'node_modules/aws-cdk/bin/cdk');
  const { status, stderr } = spawnSync(process.execPath, [cdk, 'synth', '--quiet', '--output', output], {
    cwd: repositoryRoot,
    encoding: 'utf8',
  });
  rmSync(output, { recursive: true });
  if (status !== 0) throw new Error(stderr);
}

async function seconds(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return Math.round(performance.now() - start) / 1000;
}
