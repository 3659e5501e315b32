/** A backfill: many files of one project in one moment, as `aws s3 sync` sends them. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Deployed, type DeployedProject, deployed } from './deployed.ts';
import { status, WAIT } from './observed.ts';
import { trialCsv } from './trial.ts';

const FILES = 60;
const ROWS = 50;

let flywheel: Deployed;
let project: DeployedProject;
beforeAll(async () => {
  flywheel = await deployed('burst', 'burst.config.ts');
  project = flywheel.project('backfilled');
});
afterAll(async () => {
  await flywheel.stop();
});

it(`${FILES} files at once are all in the dataset, and no event is given up on`, async () => {
  const files = Array.from(
    { length: FILES },
    (_, n) => [`${n}.csv.gz`, trialCsv({ from: n * ROWS, rows: ROWS })] as const,
  );
  await Promise.all(files.map(([key, body]) => project.upload(key, body)));
  const state = await vi.waitFor(async () => {
    const found = await flywheel.lineage.state('backfilled');
    expect(found.rows).toBe(FILES * ROWS);
    return found;
  }, WAIT);
  expect(state.rowsRegistered).toBe(FILES * ROWS);
  const version = await flywheel.lineage.require('dataset-version', 'backfilled', state.datasetVersion ?? 0);
  expect(version.objects).toBe(FILES);
  expect((await status(flywheel, 'backfilled')).deadLetters).toEqual([]);
  await vi.waitFor(async () => {
    const told = (await project.events()).filter((type) => type === 'DatasetVersionRegistered');
    expect(told).toHaveLength(state.datasetVersion ?? 0);
  }, WAIT);
});
