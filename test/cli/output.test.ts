import { stripVTControlCharacters } from 'node:util';
import { CommanderError } from 'commander';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { describedEvents, describeEvent } from '../../cli/describe-event.ts';
import { CommandFailed, exitCodes, explain } from '../../cli/failure.ts';
import { followJournal, type JournalEntry } from '../../cli/journal.ts';
import { bytes, columns, duration } from '../../cli/output.ts';
import { domainEvents, ModelDeployed, ModelRejected } from '../../lambdas/contract/events.ts';

test('columns stand under each other, whatever their colours', () => {
  const red = (text: string) => `\u001b[31m${text}\u001b[39m`;
  const cell = fc.tuple(fc.stringMatching(/^[a-z]{0,8}$/), fc.boolean());
  void fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 6 }), (rows) => {
      const coloured = rows.map((row) => [...row.map(([text, paint]) => (paint ? red(text) : text)), '|']);
      const plain = stripVTControlCharacters(columns(coloured)).split('\n');
      expect(new Set(plain.map((line) => line.indexOf('|'))).size).toBe(1);
    }),
  );
});

test('durations and sizes are read at a glance', () => {
  expect([340, 2400, 200_000].map(duration)).toEqual(['340 ms', '2.4 s', '3 min 20 s']);
  expect([0, 999, 8_300_000].map(bytes)).toEqual(['0 B', '999 B', '8.3 MB']);
});

test('every domain event has a sentence', () => {
  const at = '2013-01-01T00:00:00.000Z';
  const detail = {
    project: 'flights',
    at,
    model: 2,
    endpoint: 'e',
    replaces: 1,
    decidedBy: 'gate',
    reasons: ['worse'],
  };
  expect(describeEvent({ type: ModelDeployed.detailType, detail })).toEqual({
    text: 'flights/2 in service, replaces flights/1',
    mood: 'good',
  });
  expect(describeEvent({ type: ModelRejected.detailType, detail })).toMatchObject({ mood: 'bad' });
  const measured = { project: 'flights', at, model: 2, rows: 12, features: [{ name: 'temp', psi: 3, drifted: true }] };
  const of = (decision: string) => describeEvent({ type: 'DriftMeasured', detail: { ...measured, decision } }).text;
  expect(of('too-few-rows')).toBe('12 captured rows, too few to judge');
  expect(of('pending')).toBe('pending in 12 rows: PSI 3.00 temp');
  expect(
    describeEvent({ type: 'StepOverdue', detail: { project: 'flights', at, kind: 'training', name: 'job-1' } }).text,
  ).toBe('training job-1 has ended, and its event never came: taken up now');
  expect(describeEvent({ type: 'Unheard', detail: { a: 1 } })).toEqual({ text: '{"a":1}', mood: 'neutral' });
  expect(describedEvents.toSorted()).toEqual(Object.keys(domainEvents).toSorted());
});

test('exit codes: a wrong command line is 2, help is 0, what is missing is 3, the unexpected is 1 with its stack', () => {
  expect(explain(new CommanderError(1, 'commander.unknownOption', 'x'))).toEqual({ text: undefined, exitCode: 2 });
  expect(explain(new CommanderError(0, 'commander.helpDisplayed', 'x')).exitCode).toBe(0);
  expect(explain(new CommandFailed('not there', exitCodes.notFound))).toEqual({ text: 'not there', exitCode: 3 });
  const refused = new AggregateError([Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })]);
  expect(explain(refused)).toMatchObject({ text: expect.stringContaining('flywheel local up'), exitCode: 3 });
  expect(explain(new TypeError('bug'))).toMatchObject({ text: expect.stringContaining('output.test.ts'), exitCode: 1 });
});

test('the journal is followed: each entry once, also one that is written after later ones', async () => {
  const item = (second: number) => ({
    pk: 'journal/flights',
    sk: `2013-01-01T00:00:0${second}.000Z#X#1`,
    detailType: 'X',
    detail: { second },
    at: `2013-01-01T00:00:0${second}.000Z`,
  });
  const looks = [
    [item(1), item(3)],
    [item(1), item(2), item(3)],
    [item(1), item(2), item(3), item(4)],
  ];
  const store = { range: async () => looks.shift() ?? [] };
  const seen: JournalEntry[] = [];
  for await (const entry of followJournal(store, 'flights', { since: '2013', timeoutMs: 2000 })) {
    seen.push(entry);
    if (seen.length === 4) break;
  }
  expect(seen.map((entry) => entry.detail.second)).toEqual([1, 3, 2, 4]);
});
