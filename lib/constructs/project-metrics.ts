/** The metrics that the functions write, by environment and project. */
import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { dimensions, METRIC_NAMESPACE, type MetricName } from '../../lambdas/contract/metrics.ts';
import type { Environment } from '../config/index.ts';

export const sumOf = (environment: Environment, project: string, metric: MetricName): Metric =>
  metricOf(environment, project, metric, 'sum');

export const maximumOf = (environment: Environment, project: string, metric: MetricName): Metric =>
  metricOf(environment, project, metric, 'max');

function metricOf(environment: Environment, project: string, metricName: MetricName, statistic: string): Metric {
  return new Metric({
    namespace: METRIC_NAMESPACE,
    metricName,
    dimensionsMap: { [dimensions.environment]: environment.name, [dimensions.project]: project },
    statistic,
    period: Duration.minutes(5),
    label: `${project} ${metricName}`,
  });
}
