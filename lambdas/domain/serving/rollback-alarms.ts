/**
 * The alarms that end a deployment. They watch the new fleet alone: an alarm on the whole endpoint is also tripped by the
 * old fleet, and SageMaker then ends the deployment that would have replaced the failing model.
 *
 * Source: "Auto-Rollback Configuration and Monitoring" in the SageMaker developer guide: metrics carry the dimension
 * EndpointConfigName once the new fleet receives traffic, beside EndpointName and VariantName.
 */
import type { ComparisonOperator, PutMetricAlarmCommandInput } from '@aws-sdk/client-cloudwatch';
import { PRODUCTION_VARIANT } from '../../contract/keys.ts';
import { SLOWEST_ANSWER_SECONDS } from '../../contract/metrics.ts';

/** Share of the new fleet's requests that may fail with 5xx in a minute: one in a hundred ends the deployment. */
const FAILED_REQUESTS_FRACTION = 0.01;
const MINUTE_SECONDS = 60;
const MICROSECONDS = 1_000_000;
const REACHED: ComparisonOperator = 'GreaterThanOrEqualToThreshold';

/** Named by the config that they watch: a new alarm has no state left from a deployment before. */
export const rollbackAlarmNames = (endpointConfig: string): readonly [string, string] => [
  `${endpointConfig}-errors`,
  `${endpointConfig}-latency`,
];

export function rollbackAlarms(endpoint: string, endpointConfig: string): readonly PutMetricAlarmCommandInput[] {
  const [errors, latency] = rollbackAlarmNames(endpointConfig);
  const ofNewFleet = {
    Namespace: 'AWS/SageMaker',
    Dimensions: [
      { Name: 'EndpointName', Value: endpoint },
      { Name: 'VariantName', Value: PRODUCTION_VARIANT },
      { Name: 'EndpointConfigName', Value: endpointConfig },
    ],
    Period: MINUTE_SECONDS,
    ComparisonOperator: REACHED,
    // Without requests the new fleet has neither errors nor a latency.
    TreatMissingData: 'notBreaching',
    // SageMaker reads the state; people hear of the rollback itself.
    ActionsEnabled: false,
  };
  return [
    {
      ...ofNewFleet,
      AlarmName: errors,
      AlarmDescription: `Flywheel: ends the deployment of ${endpointConfig} when its requests fail with 5xx`,
      MetricName: 'Invocation5XXErrors',
      // Each request counts 0 or 1, so the average is the error rate.
      Statistic: 'Average',
      Threshold: FAILED_REQUESTS_FRACTION,
      EvaluationPeriods: 1,
    },
    {
      ...ofNewFleet,
      AlarmName: latency,
      AlarmDescription: `Flywheel: ends the deployment of ${endpointConfig} when its model answers too slowly`,
      MetricName: 'ModelLatency',
      ExtendedStatistic: 'p99',
      Threshold: SLOWEST_ANSWER_SECONDS * MICROSECONDS,
      EvaluationPeriods: 2,
    },
  ];
}
