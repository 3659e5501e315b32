/** README.md and two pages of docs/ say what is so: code compiles, what they name exists, counts and sums are right. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import flywheel from '../flywheel.config.ts';
import { routes } from '../lambdas/contract/http.ts';
import { defineFlywheel, type ProjectDefinition } from '../lib/config/index.ts';
import { alarmKinds } from '../lib/constructs/alarms.ts';
import { installation, ofType, project, type SynthesizedStack, synthesize } from './synthesis.ts';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const pillars = readFileSync(join(root, 'docs/well-architected.md'), 'utf8');
const firstDeployment = readFileSync(join(root, 'docs/reference/first-deployment.md'), 'utf8');
const documents = [
  ['README.md', readme],
  ['docs/well-architected.md', pillars],
  ['docs/reference/first-deployment.md', firstDeployment],
] as const;

/** As deep as `projects/loans/`, so that the example's import leads where it would lead there. */
mkdirSync(join(root, '.flywheel'), { recursive: true });
const folder = mkdtempSync(join(root, '.flywheel', 'readme-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the project of the README', () => {
  const [, code = ''] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
  const file = join(folder, 'project.ts');
  beforeAll(() => writeFileSync(file, code));

  it('compiles under the rules of this repository', () => {
    const configuration = join(folder, 'tsconfig.json');
    writeFileSync(
      configuration,
      JSON.stringify({ extends: '../../tsconfig.json', include: [], files: ['project.ts'], exclude: [] }),
    );
    const { status, stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', configuration], {
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  it('is all that an environment needs to synthesize it', async () => {
    const module: unknown = await import(pathToFileURL(file).href);
    const definition = z.custom<ProjectDefinition>(
      (value) => z.object({ input: z.object({}) }).safeParse(value).success,
    );
    const { loans } = z.object({ loans: definition }).parse(module);
    expect(code).toContain(`projects/${loans.input.name}/project.ts`);
    const one = defineFlywheel({ environments: { dev: { region: 'eu-central-1' } }, projects: [loans] });
    const { stacks } = await synthesize(one);
    expect(ofType(stacks, 'AWS::IAM::Role').map(([id]) => id)).toContainEqual(expect.stringContaining('loans'));
  });

  it('has the defaults that are told', () => {
    const [environment] = defineFlywheel({ environments: { dev: {} }, projects: [project('loans')] }).environments;
    const { training, serving } = environment?.projects[0] ?? {};
    expect(training?.instances).toEqual(['ml.g5.xlarge', 'ml.g4dn.xlarge', 'ml.m5.xlarge']);
    expect(training).toMatchObject({ spot: true, budgetHoursPerMonth: 20, triggers: [{ minimumNewRows: 1 }, {}, {}] });
    expect(serving).toMatchObject({ instance: 'ml.m5.large', instanceCount: 2, maximumRows: 500 });
    expect(environment).toMatchObject({ apiLimit: { requestsPerSecond: 50 }, driftMinutes: 5, removal: 'retain' });
  });
});

describe.each(documents)('%s', (name, text) => {
  const words = text.split(/[\s`()"',;|]+/);
  /** What a command of the examples makes, and what an example imports from where it would stand. */
  const made = /^(node_modules|out|\.flywheel)\/|^projects\/loans\/|^\.\.\//;
  const isPath = /^[\w.-]+(\/[\w.-]+)*(\.(ts|mjs|json|md|py|txt|html)|\/)$/;

  it('names files that exist', () => {
    const paths = words.filter((word) => isPath.test(word) && !word.startsWith('../'));
    expect(paths.length).toBeGreaterThan(5);
    expect(paths.filter((path) => !made.test(path) && !existsSync(join(root, path)))).toEqual([]);
  });

  it('links to files that exist', () => {
    const links = [...text.matchAll(/\]\(([^)#]+)(#[^)]*)?\)/g)].map(([, path = '']) => path);
    const local = links.filter((link) => !/^https?:/.test(link));
    expect(local.filter((link) => !existsSync(join(root, name, '..', link)))).toEqual([]);
  });

  it('names npm scripts and benches that exist', () => {
    const { scripts } = z
      .object({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
    const named = [...text.matchAll(/npm (?:run )?((?:test|setup|demo|check|fix|synth|bench|flywheel)(?::\w+)?)\b/g)];
    expect(named.map(([, script = '']) => script).filter((script) => !(script in scripts))).toEqual([]);
    const benches = [...text.matchAll(/npm run bench -- ([a-z]+)/g)].map(([, bench = '']) => bench);
    expect(benches.filter((bench) => !existsSync(join(root, 'bench', `${bench}.ts`)))).toEqual([]);
  });

  it('names alarms that exist', () => {
    const alarms = [...text.matchAll(/alarm `([a-z-]+)`/g)].map(([, alarm = '']) => alarm);
    expect(alarms.filter((alarm) => !(alarm in alarmKinds))).toEqual([]);
  });
});

it('every question of the first deployment has a section with a command, what to look at, and what to do then', () => {
  const questions = [...firstDeployment.matchAll(/^\| \[([^\]]+)\]\(#([^)]+)\)/gm)].map(([, text, anchor]) => [
    text,
    anchor,
  ]);
  const sections = firstDeployment.split(/^### /m).slice(1);
  const titles = sections.map((section) => section.slice(0, section.indexOf('\n')));
  const anchorOf = (title: string) =>
    title
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-');
  expect(questions).toEqual(expect.arrayContaining(titles.map((title) => [title, anchorOf(title)])));
  expect(questions).toHaveLength(titles.length);
  for (const section of sections) {
    expect(section).toMatch(/^```sh\n[\s\S]+?^```$/m);
    expect(section).toContain('* **Look at** ');
    expect(section).toContain('* **If not**, ');
  }
});

describe('the command line of the README', () => {
  const calls = [...readme.matchAll(/(?:npx |`)flywheel ([a-z]+)(?: (up|down|reset|logs|status)\b)?/g)];
  const helps = new Map<string, string>();
  /** @param words of a command, without its arguments */
  function help(...words: readonly string[]): string {
    const key = words.join(' ');
    const known = helps.get(key);
    if (known !== undefined) return known;
    const { status, stdout } = spawnSync('node', ['cli/main.ts', ...words, '--help'], { cwd: root, encoding: 'utf8' });
    expect(status, key).toBe(0);
    helps.set(key, stdout);
    return stdout;
  }
  const commandsIn = (text: string) =>
    new Set([...(text.split('Commands:')[1] ?? '').matchAll(/^ {2}([a-z]+)/gm)].map(([, command = '']) => command));

  it('has every command, and every command is in the README', () => {
    const commands = commandsIn(help());
    const named = new Set(calls.map(([, command = '']) => command));
    expect([...named].filter((command) => !commands.has(command))).toEqual([]);
    expect([...commands].filter((command) => command !== 'help' && !named.has(command))).toEqual([]);
    const local = commandsIn(help('local'));
    expect(calls.filter(([, command, more]) => command === 'local' && more && !local.has(more))).toEqual([]);
  });

  it('has every option of the examples', () => {
    const examples = [...readme.matchAll(/(?:npx |`)flywheel ((?:local )?[a-z]+)([^\n`]*)/g)];
    const unknown = examples.flatMap(([, words = '', rest = '']) =>
      [...rest.matchAll(/ (--[a-z]+)/g)].flatMap(([, option = '']) =>
        help(...words.split(' ')).includes(option) ? [] : [`${words} ${option}`],
      ),
    );
    expect(examples.length).toBeGreaterThan(10);
    expect(unknown).toEqual([]);
  });
});

it('the README names every route of the API', () => {
  for (const { method, path } of Object.values(routes)) expect(readme).toContain(`\`${method} ${path}\``);
});

it('the README sends to sections of the runbook that exist', () => {
  const named = [...readme.matchAll(/`docs\/runbook\.md`, ([a-z-]+)/g)].map(([, section = '']) => section);
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((section) => !(section in alarmKinds))).toEqual([]);
});

describe('what the README says it costs', () => {
  let stacks: readonly SynthesizedStack[];
  beforeAll(async () => {
    ({ stacks } = await synthesize(flywheel, { environment: 'prod' }));
  });

  it('counts what the template of prod has', () => {
    const count = (type: string) => ofType(stacks, type).length;
    const said = [
      `| alarms | ${count('AWS::CloudWatch::Alarm')} ×`,
      `| ${count('AWS::Lambda::Function')} functions, ${count('AWS::SQS::Queue')} queues, ${count('AWS::Events::Rule')} rules, ${count('AWS::Logs::LogGroup')} log groups, ${count('AWS::S3::Bucket')} buckets`,
      `| dashboard (${metricsOfDashboards(stacks)} metrics) | ${count('AWS::CloudWatch::Dashboard')} ×`,
    ];
    for (const line of said) expect(readme).toContain(line);
    expect(count('AWS::KMS::Key')).toBe(1);
    expect(ofType(stacks, 'AWS::DynamoDB::Table').map(([, table]) => table.Properties.BillingMode)).toEqual([
      'PAY_PER_REQUEST',
    ]);
    expect(metricsOfDashboards(stacks)).toBeLessThanOrEqual(50);
  });

  it('is what the page of the pillars says', () => {
    const [, idle] = /\| \*\*sum\*\* \| \| \*\*([\d.]+)\*\*/.exec(readme) ?? [];
    expect(pillars).toContain(`${idle} USD a month idle`);
  });

  it('counts how often schedules fire in a month of 30 days', () => {
    const minutes = ofType(stacks, 'AWS::Scheduler::Schedule').map(([, { Properties }]) =>
      Number(/^rate\((\d+) minutes?\)$/.exec(z.string().parse(Properties.ScheduleExpression))?.[1]),
    );
    const [often = 0, seldom = 0] = minutes.map((each) => (30 * 24 * 60) / each).sort((a, b) => b - a);
    expect(minutes).toHaveLength(2);
    expect(readme).toContain(`| ${often} + ${seldom} = ${often + seldom} |`);
  });

  it('counts the alarms that a further project adds', async () => {
    const alarms = async (...names: string[]) =>
      ofType((await synthesize(installation(...names))).stacks, 'AWS::CloudWatch::Alarm').length;
    const more = (await alarms('a', 'b')) - (await alarms('a'));
    expect(readme).toContain(`${more} × 0.10 + 0.30 =`);
  });

  it('calculates right', () => {
    const sums = [...readme.matchAll(/((?:[\d.]+ [×/+] )+[\d.]+) = (\d+(?:\.\d+)?)/g)];
    expect(sums.length).toBeGreaterThan(20);
    for (const [all, terms = '', result = ''] of sums)
      expect(Math.abs(resultOf(terms) - Number(result)), all).toBeLessThan(0.0051);
  });

  it.each(['**Idle**', '**Busy**'])('adds up what is %s', (heading) => {
    const [, table = ''] = readme.split(heading);
    const [rows = '', total = ''] = table.split('| **sum** | | **');
    const prices = [...rows.matchAll(/\| ([\d.]+) \|$/gm)].map(([, price]) => Number(price));
    expect(prices.length).toBeGreaterThan(5);
    expect(prices.reduce((a, b) => a + b, 0)).toBeCloseTo(Number.parseFloat(total), 2);
  });
});

/** Products before sums, from the left. */
function resultOf(terms: string): number {
  return terms
    .split(' + ')
    .map((term) => {
      const [first = '', ...rest] = term.split(/ (?=[×/])/);
      return rest.reduce((value, each) => {
        const operand = Number(each.slice(2));
        return each.startsWith('×') ? value * operand : value / operand;
      }, Number(first));
    })
    .reduce((a, b) => a + b, 0);
}

/** Of all graphs, as CloudWatch counts them. */
function metricsOfDashboards(stacks: readonly SynthesizedStack[]): number {
  const part = z.union([z.string(), z.object({}).transform(() => 'reference')]);
  const joined = z.object({ 'Fn::Join': z.tuple([z.literal(''), z.array(part)]) });
  const widget = z.object({ properties: z.object({ metrics: z.array(z.unknown()).default([]) }) });
  return ofType(stacks, 'AWS::CloudWatch::Dashboard')
    .flatMap(([, { Properties }]) => {
      const text = joined.parse(Properties.DashboardBody)['Fn::Join'][1].join('');
      return z.object({ widgets: z.array(widget) }).parse(JSON.parse(text)).widgets;
    })
    .reduce((sum, each) => sum + each.properties.metrics.length, 0);
}
