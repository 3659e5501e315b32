/**
 * Seconds of `cdk synth` for all environments, as a user runs it, and how much of it is CDK's look at each template with
 * AWS's rules. On a machine that does other work too, the ratio of the two is what can be compared.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleHandlers, repositoryRoot } from '../lib/bundle.ts';

/** On two cores with nothing else to do. */
const LIMIT_SECONDS = 10;

export async function run() {
  const synth = await seconds(() => synthesize({}));
  const unchecked = await seconds(() => synthesize({ CDK_VALIDATION: 'false' }));
  const bundle = await seconds(bundleHandlers);
  return [
    {
      metric: 'cdk synth, all environments',
      value: synth,
      unit: 's',
      against: { name: 'limit', value: LIMIT_SECONDS },
      ratio: rounded(LIMIT_SECONDS / synth),
    },
    {
      metric: "the same without CDK's rules for templates",
      value: unchecked,
      unit: 's',
      against: { name: 'with them', value: synth },
      ratio: rounded(synth / unchecked),
    },
    { metric: 'of it bundling', value: bundle, unit: 's' },
  ];
}

const rounded = (value: number): number => Math.round(value * 10) / 10;

function synthesize(environment: Readonly<Record<string, string>>): void {
  const output = mkdtempSync(join(tmpdir(), 'synth-'));
  const cdk = join(repositoryRoot, 'node_modules/aws-cdk/bin/cdk');
  const { status, stderr } = spawnSync(process.execPath, [cdk, 'synth', '--quiet', '--output', output], {
    cwd: repositoryRoot,
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  rmSync(output, { recursive: true });
  if (status !== 0) throw new Error(stderr);
}

async function seconds(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return Math.round(performance.now() - start) / 1000;
}
