/**
 * `npm run bench -- NAME [--json]` runs `bench/NAME.ts`. With `--json` the last line is `{name, results}`, else a table.
 * A bench that is no measurement of ours but a helper of one has no `run` and is not listed.
 */
import { readdirSync } from 'node:fs';
import * as z from 'zod';

const result = z.object({
  metric: z.string(),
  value: z.number(),
  unit: z.string(),
  /** What it is compared with, and how many times better than that it is. */
  against: z.object({ name: z.string(), value: z.number() }).optional(),
  ratio: z.number().optional(),
});
const bench = z.object({ run: z.custom<() => Promise<unknown>>((value) => typeof value === 'function') });

const [name, ...options] = process.argv.slice(2);
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -'.ts'.length))
  .sort();
const unknown = options.find((option) => option !== '--json');
if (name === undefined || !names.includes(name) || unknown !== undefined) {
  console.error(`got '${[name, ...options].join(' ')}', expected: npm run bench -- (${names.join(' | ')}) [--json]`);
  process.exit(2);
}

const module: unknown = await import(`./${name}.ts`);
const results = z.array(result).parse(await bench.parse(module).run());
if (options.includes('--json')) console.log(JSON.stringify({ name, results }));
else for (const line of results.map(describe)) console.log(line);

function describe({ metric, value, unit, against, ratio }: z.infer<typeof result>): string {
  const compared = against ? `   against ${against.name}: ${against.value} ${unit}` : '';
  return `${metric}: ${value} ${unit}${compared}${ratio === undefined ? '' : `   ratio ${ratio}`}`;
}
