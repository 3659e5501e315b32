/** Alarms of a deployment, in CloudWatch. */
import { CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { expect, it } from 'vitest';
import { rollbackAlarmNames, rollbackAlarms } from '../../lambdas/domain/serving/rollback-alarms.ts';
import { alarmStore } from '../../lambdas/stores/alarm-store.ts';
import { uniqueName } from '../support/services.ts';

const config = uniqueName('flywheel-local-flights-m1');
const found = async () => {
  const described = await new CloudWatchClient({}).send(new DescribeAlarmsCommand({ AlarmNamePrefix: config }));
  return described.MetricAlarms ?? [];
};

it('alarms exist from put to remove; both may be repeated', async () => {
  const alarms = alarmStore();
  await alarms.put(rollbackAlarms('flywheel-local-flights', config));
  await alarms.put(rollbackAlarms('flywheel-local-flights', config));
  expect((await found()).map((each) => each.AlarmName).sort()).toEqual(rollbackAlarmNames(config));
  expect((await found())[0]?.Dimensions).toHaveLength(3);

  await alarms.remove(rollbackAlarmNames(config));
  await alarms.remove(rollbackAlarmNames(config));
  expect(await found()).toEqual([]);
});
