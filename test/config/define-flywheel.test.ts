import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { projectSettings } from '../../lambdas/contract/settings.ts';
import {
  ConfigurationError,
  defineFlywheel,
  defineProject,
  feature,
  hours,
  id,
  ignore,
  label,
  minutes,
  onDemand,
  onUpload,
  type ProjectInput,
  seconds,
  time,
} from '../../lib/config/index.ts';

const minimal = {
  name: 'loans',
  problem: { objective: 'binary' },
  data: { columns: { income: feature.number({ min: 0 }), kind: feature.category(), defaulted: label.boolean() } },
} as const satisfies ProjectInput;

const defined = (input: ProjectInput) => defineFlywheel({ environments: { dev: {} }, projects: [{ input }] });
const settingsOf = (input: ProjectInput) => {
  const [project] = defined(input).environments[0]?.projects ?? [];
  if (!project) throw new Error('expected a project');
  return project;
};
function mistakes(make: () => unknown): string[] {
  try {
    make();
  } catch (error) {
    if (error instanceof ConfigurationError)
      return error.problems.map(({ at, path, message }) => [at, path, message].filter(Boolean).join(': '));
    throw error;
  }
  return [];
}
const mistakesOf = (change: object) => mistakes(() => defined({ ...minimal, ...change }));
const columns = (more: ProjectInput['data']['columns']) => ({
  data: { columns: { ...minimal.data.columns, ...more } },
});

describe('defaults', () => {
  it('need nothing but name, columns and objective', () => {
    const settings = settingsOf(minimal);
    const code = { sha256: '0'.repeat(64) };
    expect(projectSettings.parse({ ...settings, code })).toEqual({ ...settings, code });
    expect(settings.training.triggers.map((trigger) => trigger.on)).toEqual(['upload', 'drift', 'demand']);
    expect(settings.gate.metric).toBe('auc');
    expect(settings.training.maximumWaitSeconds).toBeGreaterThan(settings.training.maximumRuntimeSeconds);
  });

  it('give way to any type that SageMaker serves on, those with disks of their own included', () => {
    expect(settingsOf({ ...minimal, serving: { instance: 'ml.g5.xlarge' } }).serving.instance).toBe('ml.g5.xlarge');
  });

  it('choose the metric by the objective', () => {
    const regression = {
      problem: { objective: 'regression' },
      data: { columns: { x: feature.number(), y: label.number() } },
    };
    expect(settingsOf({ ...minimal, ...regression } as ProjectInput).gate.metric).toBe('rmse');
  });

  it('are overridden by what the user writes', () => {
    const settings = settingsOf({
      ...minimal,
      training: { cooldown: minutes(90), triggers: [onUpload({ minimumNewRows: 7 })], spot: false },
      serving: { canary: { bake: seconds(30) } },
      monitoring: { onDrift: 'alarm', window: hours(2) },
    });
    expect(settings.training).toMatchObject({
      cooldownSeconds: 5400,
      spot: false,
      triggers: [{ on: 'upload', minimumNewRows: 7 }],
    });
    expect(settings.serving.canary).toEqual({ percent: 10, bakeSeconds: 30 });
    expect(settings.monitoring.windowSeconds).toBe(7200);
  });
});

describe('mistakes', () => {
  it.each([
    [
      'a range that is no number',
      columns({ temp: { role: 'feature', type: 'number', min: 'x' as unknown as number } }),
      "projects/loans: data.columns.temp.min: got 'x', expected a number",
    ],
    [
      'days held out without a time',
      { ...minimal, training: { holdOutBy: 'day' } },
      "projects/loans: training.holdOutBy: got 'day' without a time column, expected one: time.timestamp(), or 'row'",
    ],
    [
      'a range upside down',
      columns({ temp: feature.number({ min: 5, max: 1 }) }),
      'projects/loans: data.columns.temp.min: got 5, expected at most max, which is 1',
    ],
    [
      'a range on a category',
      columns({ c: { role: 'feature', type: 'category', min: 1 } }),
      'min or max on a column of type',
    ],
    [
      'values on a number',
      columns({ c: { role: 'feature', type: 'number', values: ['a'] } }),
      'expected them on a category only',
    ],
    ['two labels', columns({ other: label.boolean() }), 'got 2 labels (defaulted, other), expected one'],
    [
      'a nullable label',
      columns({ defaulted: label.boolean({ nullable: true }) }),
      'data.columns.defaulted.nullable: got true',
    ],
    [
      'a label of another type',
      columns({ defaulted: label.number() }),
      "got 'number', expected 'boolean' for the objective 'binary'",
    ],
    ['a personal feature', columns({ email: feature.category({ pii: true }) }), 'got a feature that is personal data'],
    ['two time columns', columns({ a: time.timestamp(), b: time.timestamp() }), 'got 2 time columns (a, b)'],
    ['a text feature', columns({ a: { role: 'feature', type: 'text' } }), "got a feature of type 'text'"],
    [
      'more features than drift is measured of',
      columns(Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [`f${n}`, feature.number()]))),
      'features, expected at most 1000',
    ],
    ['no label', { data: { columns: { x: feature.number() } } }, 'got no label, expected one: label.boolean()'],
    ['no feature', { data: { columns: { x: label.boolean(), y: id.text(), z: ignore() } } }, 'got no feature'],
    [
      'an unknown slice',
      { gate: { slices: [{ column: 'colour' }] } },
      "gate.slices.0.column: got 'colour', expected one of the columns: income, kind, defaulted",
    ],
    ['a slice of a number', { gate: { slices: [{ column: 'income' }] } }, 'expected a category or boolean'],
    [
      'a metric of another objective',
      { gate: { metric: 'rmse' } },
      "gate.metric: got 'rmse', expected one that the objective 'binary' has: auc",
    ],
    ['a limit of another objective', { gate: { limits: { mae: 1 } } }, "gate.limits.mae: got 'mae'"],
    [
      'a wait shorter than the run',
      { training: { maximumRuntime: hours(2), maximumWait: hours(1) } },
      'training.maximumWait: got 3600 s, expected at least maximumRuntime, which is 7200 s',
    ],
    [
      'a window on a snapshot',
      { data: { ...minimal.data, mode: 'snapshot' }, training: { window: { versions: 2 } } },
      'training.window: got a window on a snapshot dataset',
    ],
    [
      'retraining without its trigger',
      { training: { triggers: [onDemand()] } },
      "monitoring.onDrift: got 'retrain' without the trigger onDrift()",
    ],
    [
      'a trigger twice',
      { training: { triggers: [onDemand(), onDemand()] }, monitoring: { onDrift: 'alarm' } },
      "got the trigger 'demand' twice",
    ],
    [
      'a canary of one instance',
      { serving: { instanceCount: 1, canary: { percent: 10 } } },
      'serving.canary.percent: got 10 with one instance, expected at least two',
    ],
    [
      'a number for a duration',
      { training: { cooldown: 5 } },
      'training.cooldown: got 5, expected a duration such as minutes(5)',
    ],
    ['an unknown setting', { serving: { instances: 3 } }, 'serving.instances: there is no such setting'],
    [
      'an instance of another service',
      { training: { instances: ['t3.large'] } },
      "training.instances.0: got 't3.large', expected a SageMaker instance type for training such as 'ml.m5.large'",
    ],
    [
      'an instance that does not exist, with those that do',
      { training: { instances: ['ml.g5.xlarge', 'ml.p3dn.48xlarge'] } },
      "training.instances.1: got 'ml.p3dn.48xlarge', expected one of ml.p3dn.24xlarge",
    ],
    [
      'an instance that serves and does not train',
      { training: { instances: ['ml.m5d.large'] } },
      "training.instances.0: got 'ml.m5d.large', expected a SageMaker instance type for training",
    ],
    [
      'an instance that trains and does not serve',
      { serving: { instance: 'ml.t3.medium' } },
      "serving.instance: got 'ml.t3.medium', expected a SageMaker instance type for hosting",
    ],
    [
      'an objective that is none',
      { problem: { objective: 'ranking' } },
      "problem.objective: got 'ranking', expected 'binary' or 'multiclass' or 'regression'",
    ],
  ])('%s', (_name, change, expected) => {
    expect(mistakesOf(change).join('\n')).toContain(expected);
  });

  it('are told all at once, over projects and environments', () => {
    const found = mistakes(() =>
      defineFlywheel({
        environments: { dev: { account: '12' }, 'Prod!': {} },
        projects: [{ input: { ...minimal, gate: { metric: 'rmse' } } }, { input: { ...minimal, name: 'Loans 2' } }],
      }),
    );
    expect(found).toEqual([
      expect.stringContaining("projects/loans: gate.metric: got 'rmse'"),
      expect.stringContaining("projects/Loans 2: name: got 'Loans 2'"),
      expect.stringContaining("environments/dev: account: got '12', expected the 12 digits"),
      expect.stringContaining("environments/Prod!: got 'Prod!'"),
    ]);
  });

  it('of names: twice the same, another than the folder', () => {
    const twice = { environments: { dev: {} }, projects: [{ input: minimal }, { input: minimal }] };
    expect(mistakes(() => defineFlywheel(twice))).toEqual([expect.stringContaining('for two projects')]);
    const folder = { environments: { dev: {} }, projects: [{ input: minimal, folder: 'credit' }] };
    expect(mistakes(() => defineFlywheel(folder))).toEqual([
      "projects/credit: name: got 'loans', expected the name of its folder, 'credit'",
    ]);
  });

  it('tell of a name that cannot even be printed', () => {
    const unprintable = { ...minimal, name: { toString: 1 } } as unknown as ProjectInput;
    expect(mistakes(() => defined(unprintable)).join()).toContain('name');
  });

  it('never are a crash: whatever was written, the answer is settings or a list of mistakes', () => {
    const anything = fc.record(
      {
        name: fc.anything(),
        problem: fc.anything(),
        data: fc.oneof(fc.anything(), fc.record({ columns: fc.dictionary(fc.string(), fc.anything()) })),
        training: fc.anything(),
        gate: fc.anything(),
        serving: fc.anything(),
        monitoring: fc.anything(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(anything, (input) => {
        const found = mistakes(() => defined(input as ProjectInput));
        expect(found.length).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });
});

describe('environments', () => {
  it('ask for approval of every project, and never less than the project does', () => {
    const manual = { ...minimal, name: 'careful', gate: { approval: 'manual' } } as const;
    const { environments } = defineFlywheel({
      environments: { dev: { approval: 'automatic' }, prod: { approval: 'manual' } },
      projects: [{ input: minimal }, { input: manual }],
    });
    expect(environments.map((each) => each.projects.map((project) => project.gate.approval))).toEqual([
      ['automatic', 'manual'],
      ['manual', 'manual'],
    ]);
  });

  it('set how long a canary is watched, for every project', () => {
    const careful = { ...minimal, name: 'careful', serving: { canary: { bake: { seconds: 600 } } } };
    const { environments } = defineFlywheel({
      environments: { dev: { canaryBake: { seconds: 3 } }, prod: {} },
      projects: [{ input: careful }],
    });
    expect(environments.map((each) => each.projects[0]?.serving.canary.bakeSeconds)).toEqual([3, 600]);
  });

  it('keep data unless told otherwise', () => {
    expect(defined(minimal).environments[0]?.removal).toBe('retain');
  });
});

it('completes slice columns by the names of the columns', () => {
  defineProject({ ...minimal, gate: { slices: [{ column: 'kind' }] } });
  // @ts-expect-error a column that the project does not have
  defineProject({ ...minimal, gate: { slices: [{ column: 'colour' }] } });
});
