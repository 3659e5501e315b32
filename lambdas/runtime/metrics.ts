/** Metrics as log lines in the embedded metric format: no permission, no call, no wait. */
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { dimensions, METRIC_NAMESPACE, type MetricName } from '../contract/metrics.ts';

export interface MetricRecorder {
  /** Records one value for a project, and for one feature of it if given; null: of the environment as a whole. */
  record(project: string | null, name: MetricName, value: number, feature?: string): void;
}

export function functionMetrics(environment: string): MetricRecorder {
  return {
    record(project, name, value, feature) {
      const metrics = new Metrics({ namespace: METRIC_NAMESPACE, singleMetric: true });
      // Powertools gives a `service` dimension of its own, and setting others keeps it: with it the metric is none that
      // an alarm looks at.
      metrics.clearDefaultDimensions();
      const ofProject = project === null ? {} : { [dimensions.project]: project };
      metrics.setDefaultDimensions({ [dimensions.environment]: environment, ...ofProject });
      if (feature !== undefined) metrics.addDimension(dimensions.feature, feature);
      metrics.addMetric(name, MetricUnit.NoUnit, value);
    },
  };
}
