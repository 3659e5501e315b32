/** CloudWatch alarms that live as long as one deployment. */
import {
  CloudWatchClient,
  DeleteAlarmsCommand,
  PutMetricAlarmCommand,
  type PutMetricAlarmCommandInput,
  ResourceNotFound,
} from '@aws-sdk/client-cloudwatch';

export type AlarmStore = ReturnType<typeof alarmStore>;

export function alarmStore(client = new CloudWatchClient({})) {
  return {
    /** Creates the alarms, or replaces those of the same names. */
    async put(alarms: readonly PutMetricAlarmCommandInput[]): Promise<void> {
      await Promise.all(alarms.map((alarm) => client.send(new PutMetricAlarmCommand(alarm))));
    },

    /**
     * One by one. Of a list with a name that does not exist CloudWatch still deletes the others (API reference, DeleteAlarms), and
     * may answer ResourceNotFound to all; so each is asked for alone, which is right whichever of the two holds.
     */
    async remove(names: readonly string[]): Promise<void> {
      await Promise.all(names.map((name) => removeOne(client, name)));
    },
  };
}

async function removeOne(client: CloudWatchClient, name: string): Promise<void> {
  try {
    await client.send(new DeleteAlarmsCommand({ AlarmNames: [name] }));
  } catch (error) {
    if (!(error instanceof ResourceNotFound)) throw error;
  }
}
