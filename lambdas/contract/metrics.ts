/** Names in CloudWatch, written by the functions (embedded metric format or PutMetricData) and read by alarms and dashboards. */
export const METRIC_NAMESPACE = 'Flywheel';

/** Environment and project are dimensions of every metric but those of an environment as a whole; a metric of one feature has `Feature` besides. */
export const dimensions = { environment: 'Environment', project: 'Project', feature: 'Feature' } as const;

export const metrics = {
  /** Rows of an accepted upload. */
  datasetRows: 'DatasetRows',
  /** 1 for a quarantined upload, 0 for an accepted one. */
  datasetRejected: 'DatasetRejected',
  /** 1 for a failed training or evaluation, 0 for a completed one. */
  trainingFailed: 'TrainingFailed',
  /** Billable hours of a finished training job. */
  trainingHours: 'TrainingHours',
  /** 1 for a rejected candidate, 0 for an approved one. */
  candidateRejected: 'CandidateRejected',
  /** 1 for a deployment that was rolled back or failed, 0 for one in service. */
  deploymentRolledBack: 'DeploymentRolledBack',
  /** Highest PSI of all features in the newest measurement. */
  driftMaximumPsi: 'DriftMaximumPsi',
  /** PSI of one feature (dimension Feature). */
  driftPsi: 'DriftPsi',
  /** 1 when a measurement declared drift, else 0. */
  driftDetected: 'DriftDetected',
  /** Captured rows in the window of a measurement. */
  driftRows: 'DriftRows',
  /** 1 for a captured file that was beyond a limit and is counted in part or not at all; of the environment, and only then. */
  captureBeyondLimit: 'CaptureBeyondLimit',
  /** Events that `reconcile` had to publish again. */
  eventsRecovered: 'EventsRecovered',
} as const;

/** 99 of 100 requests are answered by the model within this; SageMaker's own limit is a minute. */
export const SLOWEST_ANSWER_SECONDS = 5;

export type MetricName = (typeof metrics)[keyof typeof metrics];
