/** The alarms that end a deployment see the new fleet and nothing else. */
import { describe, expect, it } from 'vitest';
import { rollbackAlarmNames, rollbackAlarms } from '../../../lambdas/domain/serving/rollback-alarms.ts';

describe('rollback alarms', () => {
  const alarms = rollbackAlarms('flywheel-dev-flights', 'flywheel-dev-flights-m3-0a1b2c');

  it('watch the new fleet alone: the dimensions of its endpoint config', () => {
    for (const { Dimensions } of alarms)
      expect(Dimensions).toEqual([
        { Name: 'EndpointName', Value: 'flywheel-dev-flights' },
        { Name: 'VariantName', Value: 'AllTraffic' },
        { Name: 'EndpointConfigName', Value: 'flywheel-dev-flights-m3-0a1b2c' },
      ]);
  });

  it('have the names that the deployment gives SageMaker', () => {
    expect(alarms.map((alarm) => alarm.AlarmName)).toEqual(rollbackAlarmNames('flywheel-dev-flights-m3-0a1b2c'));
  });

  it('judge a rate of errors, not a single one among many requests', () => {
    expect(alarms[0]).toMatchObject({ MetricName: 'Invocation5XXErrors', Statistic: 'Average', Threshold: 0.01 });
  });

  it('let a fleet without requests pass', () => {
    for (const alarm of alarms) expect(alarm.TreatMissingData).toBe('notBreaching');
  });
});
