import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hyperparameters } from '../../lib/config/hyperparameters.ts';
import { ConfigurationError, defineFlywheel, tabular, xgboost } from '../../lib/config/index.ts';
import type { Algorithm } from '../../lib/config/training.ts';
import { project } from '../synthesis.ts';

const optionsOf = (algorithm: string) =>
  readFileSync(new URL(`../../models/${algorithm}/options.py`, import.meta.url), 'utf8');
const pythonKinds: Readonly<Record<string, string>> = { int: 'whole number', float: 'number', str: 'text' };
/** Kinds by name, in Python's words; a list of allowed values is a text. */
const kindsOf = (algorithm: 'xgboost' | 'tabular') =>
  Object.fromEntries(
    Object.entries(hyperparameters[algorithm]).map(([name, kind]) => {
      if (typeof kind === 'string') return [name, kind];
      return [name, 'kind' in kind ? kind.kind : 'text'];
    }),
  );

describe('the names here are those that Python reads', () => {
  it('of the network: the fields of its dataclass but the seed, which is the setting training.seed', () => {
    const fields = [...optionsOf('tabular').matchAll(/^ {4}(\w+): (int|float|str)(?: \| None)? = /gm)].map(
      ([, name = '', kind = '']) => [name, pythonKinds[kind]],
    );
    expect(fields.length).toBeGreaterThan(10);
    expect({ ...kindsOf('tabular'), seed: 'whole number' }).toEqual(Object.fromEntries(fields));
  });

  it("of XGBoost: train.py's own, and those that it hands to the booster", () => {
    const source = optionsOf('xgboost');
    const [, booster = ''] = /BOOSTER_PARAMETERS = frozenset\(\s+"""([^"]+)"""/.exec(source) ?? [];
    const [, own = ''] = /^_OWN = \{([^}]+)\}/m.exec(source) ?? [];
    const ownKinds = [...own.matchAll(/"(\w+)": (int|float|str)/g)].map(([, name = '', kind = '']) => [
      name,
      pythonKinds[kind],
    ]);
    const boosterKinds = booster.split(/\s+/).map((name) => [name, 'any']);
    expect(boosterKinds.length).toBeGreaterThan(30);
    expect({ ...kindsOf('xgboost'), seed: 'any' }).toEqual(Object.fromEntries([...boosterKinds, ...ownKinds]));
  });
});

it.each(['xgboost', 'tabular'] as const)('the bounds here are those of Python: %s', (algorithm) => {
  const [, table = ''] = /^_BOUNDS = \{([^}]+)\}/m.exec(optionsOf(algorithm)) ?? [];
  const bounds = [...table.matchAll(/"(\w+)": \((\d+), (\d+|inf)\)/g)].map(([, name = '', least, below]) => [
    name,
    { least: Number(least), below: Number(below === 'inf' ? 'Infinity' : below) },
  ]);
  expect(bounds.length).toBeGreaterThan(3);
  const here = Object.entries(hyperparameters[algorithm]).flatMap(([name, kind]) =>
    typeof kind === 'object' && 'kind' in kind ? [[name, { least: kind.least, below: kind.below }]] : [],
  );
  expect(Object.fromEntries(here)).toEqual(Object.fromEntries(bounds));
});

function mistakesOf(algorithm: Algorithm, ownHyperparameters = false): readonly string[] {
  const definition = { ...project('loans', { training: { algorithm } }), ownHyperparameters };
  try {
    defineFlywheel({ environments: { dev: {} }, projects: [definition] });
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
  return [];
}
/** As someone writes who does not heed the types. */
const written = (options: object) => options;

describe('a hyperparameter', () => {
  it('that the algorithm has is taken as text, as SageMaker carries it', () => {
    const algorithm = tabular({ epochs: 3, learning_rate: 1e-3, class_weights: 'balanced' });
    expect(algorithm.hyperparameters).toEqual({ epochs: '3', learning_rate: '0.001', class_weights: 'balanced' });
    expect(mistakesOf(algorithm)).toEqual([]);
    expect(mistakesOf(xgboost({ num_round: 20, lambda: 2, objective: 'reg:tweedie' }))).toEqual([]);
  });

  it.each([
    [
      'that the network does not have',
      tabular(written({ epoch: 3 })),
      'training.algorithm.hyperparameters.epoch: got a hyperparameter that tabular() does not have, expected one of: batch_size, bins',
    ],
    [
      'that XGBoost does not have',
      xgboost({ n_estimators: 100 }),
      'hyperparameters.n_estimators: got a hyperparameter that xgboost() does not have, expected one of: alpha',
    ],
    ['named as a part of every object', xgboost({ constructor: 1 }), 'that xgboost() does not have'],
    [
      'of half an epoch',
      tabular({ epochs: 2.5 }),
      "hyperparameters.epochs: got '2.5', expected a whole number, 1 or more",
    ],
    ['of no epoch', tabular({ epochs: 0 }), "hyperparameters.epochs: got '0', expected a whole number, 1 or more"],
    ['of all rows to watch', xgboost({ validation_share: 1 }), "got '1', expected a number, 0 or more and less than 1"],
    ['that is no number', tabular({ dropout: Number.NaN }), "hyperparameters.dropout: got 'NaN', expected a number"],
    [
      'of other class weights',
      tabular(written({ class_weights: 'none at all' })),
      "got 'none at all', expected 'none' or 'balanced'",
    ],
    [
      'that is the seed',
      xgboost({ seed: 7 }),
      "hyperparameters.seed: got '7', expected none: the seed is training.seed",
    ],
  ])('%s is a mistake', (_what, algorithm, expected) => {
    expect(mistakesOf(algorithm).join('\n')).toContain(expected);
  });

  it("has any name where the project's own scripts read it", () => {
    expect(mistakesOf(xgboost({ n_estimators: 100 }), true)).toEqual([]);
  });
});
