/** The metrics that the functions write, by environment and project, or of an environment as a whole. */
import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { dimensions, METRIC_NAMESPACE, type MetricName } from '../../lambdas/contract/metrics.ts';
import type { Environment } from '../config/index.ts';

export const sumOf = (environment: Environment, project: string, metric: MetricName): Metric =>
  metricOf(environment, project, metric, 'sum');

export const maximumOf = (environment: Environment, project: string, metric: MetricName): Metric =>
  metricOf(environment, project, metric, 'max');

/** Of all projects together: one alarm for an environment. */
export const sumOfAll = (environment: Environment, metric: MetricName): Metric =>
  metricOf(environment, undefined, metric, 'sum');

function metricOf(
  environment: Environment,
  project: string | undefined,
  metricName: MetricName,
  statistic: string,
): Metric {
  return new Metric({
    namespace: METRIC_NAMESPACE,
    metricName,
    dimensionsMap: {
      [dimensions.environment]: environment.name,
      ...(project !== undefined && { [dimensions.project]: project }),
    },
    statistic,
    period: Duration.minutes(5),
    label: `${project ?? environment.name} ${metricName}`,
  });
}
