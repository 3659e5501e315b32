/** Of every function: bytes of its minified code, and the time a fresh Node process needs to load it. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import flywheel from '../flywheel.config.ts';
import { bundleHandlers, functionNames, MAXIMUM_BUNDLE_BYTES, writeBundles } from '../lib/bundle.ts';

interface Result {
  readonly metric: string;
  readonly value: number;
  readonly unit: string;
  readonly against?: { readonly name: string; readonly value: number };
  readonly ratio?: number;
}

/** The median of this many processes. */
const PROCESSES = 5;

export async function run(): Promise<Result[]> {
  const [environment] = flywheel.environments;
  if (!environment) throw new Error('got no environment, expected one in flywheel.config.ts');
  const bundles = await writeBundles(await bundleHandlers(), environment);
  // Away from node_modules, as in Lambda: what a bundle lacks must not be found.
  const folder = mkdtempSync(join(tmpdir(), 'bundles-'));
  try {
    return functionNames().flatMap((name): Result[] => {
      cpSync(bundles.folderOf(name), join(folder, name), { recursive: true });
      const file = join(folder, name, 'index.mjs');
      const bytes = statSync(file).size;
      const limit = { name: 'limit', value: MAXIMUM_BUNDLE_BYTES };
      return [
        { metric: `${name} size`, value: bytes, unit: 'B', against: limit, ratio: round(limit.value / bytes) },
        {
          metric: `${name} init`,
          value: round(median(Array.from({ length: PROCESSES }, () => initOf(file)))),
          unit: 'ms',
        },
      ];
    });
  } finally {
    rmSync(folder, { recursive: true });
    bundles.remove();
  }
}

/** Milliseconds from the start of the import to its end, in a process of its own. */
function initOf(file: string): number {
  const script = `const start = performance.now();
    const { handler } = await import(${JSON.stringify(file)});
    if (typeof handler !== 'function') throw new Error('the bundle exports no handler');
    console.log(JSON.stringify(performance.now() - start));`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { AWS_REGION: 'us-east-1' },
  });
  if (status !== 0) throw new Error(`${file} does not load: ${stderr}`);
  return z.number().parse(JSON.parse(stdout));
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
const round = (value: number): number => Math.round(value * 10) / 10;
