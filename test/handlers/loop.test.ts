import { beforeAll, describe, expect, it } from 'vitest';
import { dyingPublisher } from '../support/context.ts';
import { consumersOf, type Delivery, type LoopDriver, loopDriver } from '../support/loop-driver.ts';
import type { ReceivedEvent } from '../support/services.ts';
import { trialCsv, trialSettings } from '../support/trial-data.ts';

const once: Delivery = async (batch, driver) => {
  for (const event of batch)
    for (const consumer of consumersOf(driver, event)) await consumer.handle(event, driver.events);
};

/** Every handler dies the first time it wants to publish; then Lambda's retry comes. */
const killed: Delivery = async (batch, driver) => {
  for (const event of batch)
    for (const consumer of consumersOf(driver, event)) {
      await consumer.handle(event, dyingPublisher(driver.events)).catch((error: Error) => {
        if (!error.message.includes('killed')) throw error;
      });
      await consumer.handle(event, driver.events);
    }
};

/** Every event five times, those that came together in reverse, and all that came before once more at the end of each batch. */
function repeated(): Delivery {
  const past: ReceivedEvent[] = [];
  return async (batch, driver) => {
    // An event that the driver itself caused by a repeat is no new one.
    const fresh = batch.filter((event) => !past.some((each) => JSON.stringify(each) === JSON.stringify(event)));
    past.push(...fresh);
    const reversed = fresh.toReversed();
    for (let repeat = 0; repeat < 5; repeat++) await once(reversed, driver);
    if (fresh.length > 0) await once(past.toReversed(), driver);
  };
}

async function expectOneLoop(driver: LoopDriver): Promise<void> {
  const { lineage, project } = driver;
  expect(await lineage.newest('dataset-version', project, 10)).toMatchObject([{ version: 1, rows: 2000 }]);
  expect(await lineage.newest('training-run', project, 10)).toMatchObject([
    { status: 'trained', attempt: 1, model: 1 },
  ]);
  expect(await lineage.newest('model', project, 10)).toMatchObject([{ model: 1, status: 'approved' }]);
  expect(await lineage.newest('evaluation', project, 10)).toMatchObject([{ status: 'completed' }]);
  expect(await lineage.newest('deployment', project, 10)).toMatchObject([{ model: 1, status: 'deployed' }]);
  expect(await lineage.state(project)).toMatchObject({ datasetVersion: 1, model: 1, champion: 1, wanted: 1 });
}

describe('the handlers, on real services', () => {
  let driver: LoopDriver;
  beforeAll(async () => {
    driver = await loopDriver(trialSettings);
  });

  it('take an upload to a deployed model when every event comes five times and in the wrong order', async () => {
    const upload = await driver.upload('1.csv.gz', trialCsv({ from: 0, rows: 2000 }));
    await driver.runUntil('ModelDeployed', [upload], repeated());
    await expectOneLoop(driver);
  });
});

describe('handlers that die between write and publish', () => {
  it('lose nothing: the retry completes each step', async () => {
    const driver = await loopDriver(trialSettings);
    const upload = await driver.upload('1.csv.gz', trialCsv({ from: 0, rows: 2000 }));
    await driver.runUntil('ModelDeployed', [upload], killed);
    await expectOneLoop(driver);
  });
});

describe('uploads that come while a run is under way', () => {
  it('make one more run, of all of them', async () => {
    const driver = await loopDriver(trialSettings);
    let more = 10;
    const burst: Delivery = async (batch, same) => {
      for (const event of batch) {
        await once([event], same);
        if (event['detail-type'] !== 'TrainingStarted') continue;
        for (; more > 0; more--) {
          const from = more * 5000;
          await once([await same.upload(`${from}.csv.gz`, trialCsv({ from, rows: 200 }))], same);
        }
      }
    };
    const first = await driver.upload('first.csv.gz', trialCsv({ from: 0, rows: 2000 }));
    await driver.runUntil('ModelDeployed', [first], burst);
    const runs = await driver.lineage.newest('training-run', driver.project, 20);
    expect(runs.map(({ datasetVersion, status }) => [datasetVersion, status])).toEqual([
      [11, 'trained'],
      [1, 'trained'],
    ]);
  });
});

describe('two uploads', () => {
  it('make the same dataset whichever event comes first, and one run on the newest version', async () => {
    const driver = await loopDriver(trialSettings);
    const first = await driver.upload('1.csv.gz', trialCsv({ from: 0, rows: 2000 }));
    const second = await driver.upload('2.csv.gz', trialCsv({ from: 5000, rows: 1000 }));
    await driver.runUntil('ModelDeployed', [second, first], once);
    expect(await driver.lineage.state(driver.project)).toMatchObject({ datasetVersion: 2, rows: 3000, champion: 1 });
    expect(await driver.lineage.newest('training-run', driver.project, 10)).toMatchObject([{ datasetVersion: 2 }]);
  });
});
