import { type CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';

/**
 * Why the alarms of an AutoRollbackConfiguration ask for a rollback; undefined while they do not. An alarm that is missing, or that
 * the role may not read, is a reason as well: a guard that nobody can see guards nothing.
 */
export async function rollbackReason(
  client: () => Promise<CloudWatchClient>,
  names: readonly string[],
): Promise<string | undefined> {
  if (names.length === 0) return undefined;
  const answer = await client()
    .then((cloudWatch) =>
      cloudWatch.send(
        new DescribeAlarmsCommand({ AlarmNames: [...names], AlarmTypes: ['MetricAlarm', 'CompositeAlarm'] }),
      ),
    )
    .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
  if (answer instanceof Error) {
    return `The alarms configured for automatic rollback (${names.join(', ')}) could not be read with the endpoint's execution role: ${answer.message}`;
  }
  const states = new Map<string | undefined, string | undefined>(
    [...(answer.MetricAlarms ?? []), ...(answer.CompositeAlarms ?? [])].map((alarm) => [
      alarm.AlarmName,
      alarm.StateValue,
    ]),
  );
  const missing = names.filter((name) => !states.has(name));
  if (missing.length > 0) return `The alarms configured for automatic rollback do not exist: ${missing.join(', ')}.`;
  const firing = names.filter((name) => states.get(name) === 'ALARM');
  if (firing.length === 0) return undefined;
  return `One or more alarms configured for automatic rollback are in ALARM state: ${firing.join(', ')}.`;
}
