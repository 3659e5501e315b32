/**
 * `npm run demo`: the whole loop on a laptop, on real data, as a story that anybody can follow.
 *
 *   npm run demo -- [--report FILE.json] [--html FILE.html] [--keep]
 *
 * Has a laptop cloud of its own, emptied first, so that `flywheel local` is not touched. Exit code 0 only when every
 * promise of the demo held.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { Command } from 'commander';
import { repository } from '../../local/cloud/layout.ts';
import { stopCloud } from '../../local/cloud.ts';
import type { Session } from '../command.ts';
import { projectOf } from '../connection.ts';
import { CommandFailed, explain } from '../failure.ts';
import { renderTree } from '../lineage/render.ts';
import { columns, duration, paint } from '../output.ts';
import { peekDeadLetters } from '../queues.ts';
import { environmentStatus, eventRow, projectStatus, renderEnvironment, renderProject } from '../status.ts';
import { prepareFlights } from './flights.ts';
import { freshCloud } from './fresh-cloud.ts';
import { renderPage } from './page.ts';
import { type DemoReport, makeReport } from './report.ts';
import { tell } from './story.ts';
import { StepFailed, watch } from './watcher.ts';

const PROJECT = 'flights';

interface Options {
  readonly report?: string;
  readonly html: string;
  readonly keep: boolean;
  readonly directory: string;
}

const options = new Command('demo')
  .option('--report <file>', 'write the figures as JSON')
  .option('--html <file>', 'where the page goes', 'out/demo.html')
  .option('--keep', 'leave the laptop cloud running', false)
  .option('--directory <folder>', 'state of the laptop cloud', join(repository, '.flywheel', 'demo'))
  .parse()
  .opts<Options>();

const started = performance.now();
const say = (line: string) =>
  process.stdout.write(`\n${paint.bold(line)}  ${paint.dim(duration(performance.now() - started))}\n`);

try {
  const report = await demo();
  process.exitCode = report.ok ? 0 : 1;
} catch (error) {
  process.stderr.write(`\n${explain(error).text}\n`);
  process.exitCode = 1;
} finally {
  if (!options.keep) await stopCloud(options);
}

async function demo(): Promise<DemoReport> {
  const session = await setUp();
  const setupMs = performance.now() - started;
  const project = projectOf(session.environment, PROJECT);
  const watcher = watch(session.store, PROJECT, new Date().toISOString(), (entry) =>
    process.stdout.write(`${columns([eventRow(entry)], '  ')}\n`),
  );
  try {
    const told = await tell(session, project, watcher, say);
    await watcher.stop();
    const deadLetters = await peekDeadLetters(session.outputs.DeadLetterQueues);
    const storyMs = performance.now() - started - setupMs;
    const report = await makeReport(session, project, told, watcher.events, { setupMs, storyMs, deadLetters });
    process.stdout.write(`${renderTree(told.lineage, paint)}\n`);
    conclude(report, renderTree(told.lineage));
    return report;
  } catch (error) {
    if (error instanceof StepFailed) throw new CommandFailed(`${error.message}\n\n${await statusNow(session)}`);
    throw error;
  } finally {
    await watcher.stop();
  }
}

async function setUp(): Promise<Session> {
  say('The data: flights that left New York in 2013, with the weather of their hour');
  await prepareFlights();
  return freshCloud(options.directory, say);
}

function conclude(report: DemoReport, lineage: string): void {
  const { setupMs, loopMs, containerMs, overheadMs, storyMs } = report.timing;
  say('What held');
  const promises = report.promises.map(({ promise, held }) => [held ? paint.green('yes') : paint.red('NO'), promise]);
  process.stdout.write(`${columns(promises, '  ')}\n`);
  say('Figures');
  const figures = [
    ['first upload to model in service', duration(loopMs)],
    ['  of that in containers (training, evaluation, model server)', duration(containerMs)],
    ['  of that everything else', duration(overheadMs)],
    ['set-up (data, cloud, cdk deploy)', duration(setupMs)],
    ['story', duration(storyMs)],
    ['one prediction over HTTP, median', duration(report.traffic.medianMs)],
  ];
  process.stdout.write(`${columns(figures, '  ')}\n`);

  const written = [write(options.html, renderPage(report, lineage))];
  if (options.report) written.push(write(options.report, `${JSON.stringify(report, undefined, 2)}\n`));
  process.stdout.write(`\nwritten: ${written.join(', ')}\n`);
  if (options.keep) {
    const directory = relative(process.cwd(), options.directory);
    process.stdout.write(`the cloud runs on: FLYWHEEL_LOCAL=${directory} npx flywheel status\n`);
  }
}

function write(file: string, content: string): string {
  mkdirSync(dirname(resolve(file)), { recursive: true });
  writeFileSync(file, content);
  return file;
}

/** What `flywheel status` would say. */
async function statusNow(session: Session): Promise<string> {
  const [project, environment] = await Promise.all([projectStatus(session.store, PROJECT), environmentStatus(session)]);
  return `${renderProject(project, Date.now())}\n\n${renderEnvironment(environment)}`;
}
