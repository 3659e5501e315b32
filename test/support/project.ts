/** A small project for tests of the domain and the handlers: every field set, nothing from flywheel.config.ts. */
import type { EnvironmentSettings, ProjectSettings } from '../../lambdas/contract/settings.ts';

export function projectSettings(change: Partial<ProjectSettings> = {}): ProjectSettings {
  const column = { nullable: false, pii: false };
  return {
    name: 'flights',
    problem: { objective: 'binary', decision: 'whether to warn passengers', limits: 'none' },
    data: {
      format: 'csv',
      mode: 'append',
      commit: 'object',
      columns: {
        id: { role: 'id', type: 'text', ...column },
        delay: { role: 'feature', type: 'number', ...column, min: -120, max: 2000 },
        carrier: { role: 'feature', type: 'category', ...column },
        late: { role: 'label', type: 'boolean', ...column },
      },
      quality: { maximumBadRowShare: 0, minimumRows: 1 },
    },
    training: {
      triggers: [{ on: 'upload', minimumNewRows: 100 }, { on: 'drift' }, { on: 'demand' }],
      holdOut: 0.2,
      holdOutBy: 'row',
      algorithm: { name: 'xgboost', image: 'sagemaker-xgboost:3.2-0', hyperparameters: { max_depth: '6' } },
      instances: ['ml.g5.xlarge', 'ml.g4dn.xlarge'],
      evaluationInstances: ['ml.m5.xlarge', 'ml.m6i.xlarge'],
      volumeGiB: 30,
      spot: true,
      maximumRuntimeSeconds: 3600,
      maximumWaitSeconds: 7200,
      cooldownSeconds: 600,
      budgetHoursPerMonth: 10,
      seed: 7,
    },
    gate: {
      metric: 'auc',
      limits: { auc: 0.7 },
      beatChampionBy: 0,
      slices: [],
      approval: 'automatic',
    },
    serving: {
      instance: 'ml.m5.large',
      instanceCount: 2,
      canary: { percent: 10, bakeSeconds: 60 },
      maximumRows: 1000,
    },
    monitoring: {
      capturePercent: 100,
      windowSeconds: 3600,
      minimumRows: 100,
      psi: 0.2,
      consecutive: 1,
      onDrift: 'retrain',
    },
    code: { sha256: 'c'.repeat(64) },
    ...change,
  };
}

export function environmentSettings(projects: ProjectSettings[] = [projectSettings()]): EnvironmentSettings {
  return { name: 'local', projects };
}
