/** A capture file is counted while it is read: in bounded memory, and whatever some of its lines say. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { captureLimits } from '../../../lambdas/contract/limits.ts';
import { CaptureTally, type CountedModel } from '../../../lambdas/domain/drift/tally.ts';
import { baselineOf } from '../../support/evaluation.ts';

const known: CountedModel = { model: 1, baseline: baselineOf() };

function line(version: string, time: string, rows = 1, label?: string): Buffer {
  const part = (data: unknown) => ({ data: JSON.stringify(data), encoding: 'JSON' });
  const prediction = label === undefined ? 0.5 : { label, probabilities: {} };
  const captured = {
    captureData: {
      endpointInput: part({ instances: new Array(rows).fill({ delay: 5, carrier: 'UA' }) }),
      endpointOutput: part({ predictions: new Array(rows).fill(prediction), modelVersion: version }),
    },
    eventMetadata: { eventId: 'e', inferenceTime: time },
  };
  return Buffer.from(`${JSON.stringify(captured)}\n`);
}
const first = '2026-11-24T12:10:00Z';

async function tallyOf(chunks: Iterable<Uint8Array>, find = async (version: string) => modelOf(version)) {
  const tally = new CaptureTally(
    (async function* () {
      yield* chunks;
    })(),
  );
  await tally.read(find);
  return tally;
}

function modelOf(version: string): CountedModel | undefined {
  if (version === 'flights/2') throw new Error('no model/flights/2');
  return version === 'flights/1' ? known : undefined;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
/** Of what is still in use. */
function liveBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

it('counts rows by model and hour', async () => {
  const tally = await tallyOf([
    line('flights/1', first, 3),
    line('flights/1', '2026-11-24T13:00:00Z', 2),
    line('flights/1', first),
  ]);
  expect(tally.groups().map(({ model, hour, counts }) => [model, hour, counts.rows])).toEqual([
    [1, '2026-11-24T12', 4],
    [1, '2026-11-24T13', 2],
  ]);
  expect(tally).toMatchObject({ lines: 3, uncounted: 0, failures: [] });
});

describe('what one line or model meets leaves the others counted', () => {
  it.each([
    ['a model that is not there', line('flights/2', first), 1],
    ['a model of another project', line('loans/1', first), 0],
    ['predictions of another kind', line('flights/1', '2026-11-24T14:00:00Z', 1, 'late'), 1],
    ['a line that is none', Buffer.from('{"captureData":\n'), 0],
  ])('%s', async (_, bad, failures) => {
    const tally = await tallyOf([line('flights/1', first), bad, line('flights/1', first)]);
    expect(tally.groups().map(({ counts }) => counts.rows)).toEqual([2]);
    expect(tally.failures).toHaveLength(failures);
    expect(tally).toMatchObject({ uncounted: 1, beyondLimit: false });
  });
});

describe('a file that costs more than it says', () => {
  it('is read to its limit, with some megabytes of it in memory', async () => {
    const one = line('flights/1', first, 20_000);
    const pieces = Math.ceil(captureLimits.fileBytes / one.length) + 20;
    let given = 0;
    const [before, kept] = [liveBytes(), [0]];
    const tally = await tallyOf(
      (function* () {
        for (; given < pieces; given++) {
          if (given % 40 === 39) kept.push(liveBytes() - before);
          yield Buffer.from(one);
        }
      })(),
    );
    expect(given * one.length).toBeLessThan(captureLimits.fileBytes + 2 * one.length);
    expect(tally.groups()[0]?.counts.rows).toBe(Math.floor(captureLimits.fileBytes / one.length) * 20_000);
    expect(tally).toMatchObject({ uncounted: 1, beyondLimit: true });
    // Parsed, a row takes several times the bytes of its JSON.
    expect(Math.max(...kept)).toBeLessThan(8 * captureLimits.pendingBytes);
  });

  it('has as many models and hours as a file can have, and tells a few of its broken lines', async () => {
    const hours = Array.from({ length: 60 }, (_, index) =>
      line('flights/1', new Date(Date.parse(first) + index * 3_600_000).toISOString()),
    );
    const broken = new Array(1000).fill(Buffer.from('x\n'));
    const tally = await tallyOf([...hours, ...broken]);
    expect(tally.groups()).toHaveLength(captureLimits.groups);
    expect(tally).toMatchObject({ uncounted: 60 - captureLimits.groups + 1000, beyondLimit: true });
    expect(tally.broken).toHaveLength(captureLimits.loggedLines);
  });

  it('asks for each model once', async () => {
    const asked: string[] = [];
    await tallyOf(new Array(10).fill(line('flights/1', first, 20_000)), async (version) => {
      asked.push(version);
      return known;
    });
    expect(asked).toEqual(['flights/1']);
  });
});
