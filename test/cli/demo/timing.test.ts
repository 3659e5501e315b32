import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ContainerTime, loopSteps, sumOf } from '../../../cli/demo/timing.ts';
import type { JournalEntry } from '../../../cli/journal.ts';

const order = [
  'DatasetVersionRegistered',
  'TrainingRequested',
  'TrainingStarted',
  'training starts',
  'training ends',
  'ModelTrained',
  'EvaluationStarted',
  'evaluation starts',
  'evaluation ends',
  'ModelEvaluated',
  'ModelApproved',
  'serving starts',
  'serving ends',
  'ModelDeployed',
];
const START = Date.parse('2013-01-01T00:00:00.000Z');

/** A loop whose steps last as given, with the events of an earlier and a later model around it. */
function loopOf(lengths: readonly number[]) {
  const times = lengths.map((_, index) => START + lengths.slice(0, index + 1).reduce((sum, length) => sum + length, 0));
  const time = (name: string) => times[order.indexOf(name)] ?? 0;
  const events = order
    .filter((name) => /^[A-Z]/.test(name))
    .map((type): JournalEntry => ({ type, at: new Date(time(type)).toISOString(), detail: { model: 1 }, key: type }));
  const stranger = {
    ...events[0],
    type: 'ModelDeployed',
    at: '2013-01-01T09:00:00.000Z',
    detail: { model: 2 },
    key: 'x',
  };
  const containers = (['training', 'evaluation', 'serving'] as const).map(
    (kind): ContainerTime => ({ kind, job: kind, model: 1, from: time(`${kind} starts`), to: time(`${kind} ends`) }),
  );
  return { events: [stranger, ...events], containers };
}

const lengths = fc.array(fc.nat(5000), { minLength: order.length, maxLength: order.length });

test('the steps are the loop without a gap: each as long as it was, their sum the whole', () => {
  void fc.assert(
    fc.property(lengths, (given) => {
      const { events, containers } = loopOf(given);
      const steps = loopSteps(START, events, containers, 1);
      expect(steps.map((step) => step.ms)).toEqual(given);
      expect(sumOf(steps)).toBe(given.reduce((sum, length) => sum + length, 0));
      expect(sumOf(steps, (step) => step.inContainer)).toBe((given[4] ?? 0) + (given[8] ?? 0) + (given[12] ?? 0));
    }),
  );
});

test('a loop that did not come to its end is named by what is missing', () => {
  const { events, containers } = loopOf(order.map(() => 1));
  const cut = events.filter((event) => event.type !== 'ModelApproved');
  expect(() => loopSteps(START, cut, containers, 1)).toThrow('no event ModelApproved of model 1');
  expect(() => loopSteps(START, events, containers.slice(1), 1)).toThrow('no training program of model 1');
});
