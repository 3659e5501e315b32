/** From what a user wrote to complete settings: shapes and defaults here, relations between fields in `check-project.ts`. */
import * as z from 'zod';
import {
  algorithmSettings,
  columnRoles,
  columnTypes,
  metricNames,
  monitoringSettings,
  objectives,
  projectName,
  qualitySettings,
  servingSettings,
  trainingSettings,
  trigger,
  uploadFormats,
} from '../../lambdas/contract/settings.ts';
import { checkProject } from './check-project.ts';
import { days, duration, hours, minutes } from './duration.ts';
import { checkHyperparameters } from './hyperparameters.ts';
import { instanceTypeProblem, type instanceTypes } from './instance-types.ts';
import { type Problem, problemsOf } from './problems.ts';
import type { ProjectInput } from './project-input.ts';
import { type ProjectSettingsWithoutCode, settingsWithoutCode } from './project-settings.ts';
import { onDemand, onDrift, onUpload, xgboost } from './training.ts';

const DEFAULT_CANARY_PERCENT = 10;
const defaultMetric = { binary: 'auc', multiclass: 'accuracy', regression: 'rmse' } as const;
const metric = z.enum([...metricNames.binary, ...metricNames.multiclass, ...metricNames.regression]);
const training = trainingSettings.shape;
const serving = servingSettings.shape;
const monitoring = monitoringSettings.shape;
const quality = qualitySettings.shape;

const column = z.strictObject({
  role: z.enum(columnRoles),
  type: z.enum(columnTypes),
  nullable: z.boolean().default(false),
  min: z.number().optional(),
  max: z.number().optional(),
  values: z.array(z.string()).readonly().optional(),
  pii: z.boolean().default(false),
});

const projectSchema = z.strictObject({
  name: projectName,
  problem: z.strictObject({
    objective: z.enum(objectives),
    decision: z.string().default(''),
    limits: z.string().default(''),
  }),
  data: z.strictObject({
    format: z.enum(uploadFormats).default('csv'),
    mode: z.enum(['append', 'snapshot']).default('append'),
    commit: z.enum(['object', 'marker']).default('object'),
    columns: z.record(z.string(), column),
    quality: z
      .strictObject({
        maximumBadRowShare: z._default(quality.maximumBadRowShare, 0),
        minimumRows: z._default(quality.minimumRows, 1),
      })
      .prefault({}),
  }),
  training: z
    .strictObject({
      triggers: z.array(trigger).readonly().default([onUpload(), onDrift(), onDemand()]),
      window: training.window,
      holdOut: z._default(training.holdOut, 0.2),
      holdOutBy: z._default(training.holdOutBy, 'row'),
      algorithm: z._default(algorithmSettings, () => algorithmSettings.parse(xgboost())),
      instances: z
        .array(instanceType('training'))
        .min(1)
        .readonly()
        .default(['ml.g5.xlarge', 'ml.g4dn.xlarge', 'ml.m5.xlarge']),
      evaluationInstances: z
        .array(instanceType('processing'))
        .min(1)
        .readonly()
        .default(['ml.m5.xlarge', 'ml.m6i.xlarge', 'ml.r5.xlarge']),
      volumeGiB: z._default(training.volumeGiB, 30),
      spot: z._default(training.spot, true),
      maximumRuntime: duration({ atLeast: minutes(1) }).prefault(hours(1)),
      maximumWait: duration({ atLeast: minutes(1) }).optional(),
      cooldown: duration().prefault(minutes(0)),
      budgetHoursPerMonth: z._default(training.budgetHoursPerMonth, 20),
      seed: z._default(training.seed, 2013),
    })
    .prefault({}),
  gate: z
    .strictObject({
      metric: metric.optional(),
      limits: z.partialRecord(metric, z.number()).default({}),
      beatChampionBy: z.number().default(0),
      slices: z
        .array(
          z.strictObject({
            column: z.string(),
            maximumLoss: z.number().min(0).default(0.05),
            minimumRows: z.int().min(1).default(200),
          }),
        )
        .readonly()
        .default([]),
      approval: z.enum(['automatic', 'manual']).default('automatic'),
    })
    .prefault({}),
  serving: z
    .strictObject({
      instance: instanceType('hosting').default('ml.m5.large'),
      instanceCount: z._default(serving.instanceCount, 2),
      canary: z
        .strictObject({
          percent: z.optional(serving.canary.shape.percent),
          bake: duration({ atMost: hours(1) }).prefault(minutes(5)),
        })
        .prefault({}),
      maximumRows: z._default(serving.maximumRows, 500),
    })
    .prefault({}),
  monitoring: z
    .strictObject({
      capturePercent: z._default(monitoring.capturePercent, 100),
      window: duration({ atLeast: minutes(1) }).prefault(days(1)),
      minimumRows: z._default(monitoring.minimumRows, 500),
      psi: z._default(monitoring.psi, 0.2),
      consecutive: z._default(monitoring.consecutive, 2),
      onDrift: z._default(monitoring.onDrift, 'retrain'),
    })
    .prefault({}),
});

/**
 * @param ownHyperparameters the project's own scripts read them, under names that are not known here
 * @returns the settings with every default filled in, or all that is wrong.
 */
export function parseProject(
  input: ProjectInput,
  at: string,
  ownHyperparameters: boolean,
): ProjectSettingsWithoutCode | readonly Problem[] {
  // Does not compile when the type that users see and the schema that checks it differ.
  const given: z.input<typeof projectSchema> = input;
  const parsed = projectSchema.safeParse(given, { reportInput: true });
  if (!parsed.success) return problemsOf(parsed.error, at);
  const settings = settingsOf(parsed.data);
  const problems = [
    ...checkProject(settings),
    ...checkCanary(parsed.data),
    ...(ownHyperparameters ? [] : checkHyperparameters(settings.training.algorithm)),
  ];
  return problems.length > 0 ? problems.map((problem) => ({ ...problem, at })) : settings;
}

function settingsOf(project: z.output<typeof projectSchema>): ProjectSettingsWithoutCode {
  const { problem, training, gate, serving, monitoring, ...rest } = project;
  const { maximumRuntime, maximumWait, cooldown, ...restOfTraining } = training;
  const { window, ...restOfMonitoring } = monitoring;
  return settingsWithoutCode.parse({
    ...rest,
    problem,
    training: {
      ...restOfTraining,
      maximumRuntimeSeconds: maximumRuntime,
      maximumWaitSeconds: maximumWait ?? maximumRuntime + hours(1).seconds,
      cooldownSeconds: cooldown,
    },
    gate: { ...gate, metric: gate.metric ?? defaultMetric[problem.objective] },
    serving: {
      ...serving,
      canary: { percent: serving.canary.percent ?? DEFAULT_CANARY_PERCENT, bakeSeconds: serving.canary.bake },
    },
    monitoring: { ...restOfMonitoring, windowSeconds: window },
  });
}

/** One instance takes all traffic at once; a share of it was asked for in vain. */
function checkCanary({ serving }: z.output<typeof projectSchema>): Omit<Problem, 'at'>[] {
  if (serving.instanceCount > 1 || serving.canary.percent === undefined) return [];
  return [
    {
      path: 'serving.canary.percent',
      message: `got ${serving.canary.percent} with one instance, expected at least two: set instanceCount, or leave percent out`,
    },
  ];
}

/** SageMaker's spelling, `ml.g5.xlarge`; which types a region has is SageMaker's to say. */
function instanceType(use: keyof typeof instanceTypes) {
  return z.string().superRefine((type, context) => {
    const message = instanceTypeProblem(use, type);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}
