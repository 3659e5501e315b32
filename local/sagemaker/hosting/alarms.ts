/** The alarms that end a deployment. */
import { type CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { pause } from './pause.ts';

/** How often alarms are read. CloudWatch tells their changes by events too, but on AWS this is a poll as well. */
const pollMs = 500;

/**
 * Watches the alarms of an AutoRollbackConfiguration for the whole of a deployment. SageMaker does not ask which fleet
 * tripped an alarm: one that the old fleet trips, or that was in ALARM before, ends the deployment too (developer guide,
 * "Auto-Rollback Configuration and Monitoring": "if your old fleet trips the alarm during the deployment, SageMaker
 * terminates your deployment").
 */
export class AlarmWatch {
  readonly #client: () => Promise<CloudWatchClient>;
  readonly #names: readonly string[];
  readonly #ending = new AbortController();
  readonly #tripped = new AbortController();
  #reason: string | undefined;
  #watching: Promise<void> = Promise.resolve();

  constructor(client: () => Promise<CloudWatchClient>, names: readonly string[]) {
    this.#client = client;
    this.#names = names;
  }

  /** Aborted when an alarm asks for a rollback. */
  get tripped(): AbortSignal {
    return this.#tripped.signal;
  }

  /** Reads the alarms now. @returns why the deployment has to go back, now or since some time */
  async look(): Promise<string | undefined> {
    this.#reason ??= await rollbackReason(this.#client, this.#names);
    if (this.#reason !== undefined) this.#tripped.abort();
    return this.#reason;
  }

  /** Reads the alarms from now on, every half second. */
  start(): void {
    if (this.#names.length === 0) return;
    this.#watching = this.#watch();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (!this.#ending.signal.aborted && (await this.look()) === undefined) {
      await pause(pollMs, this.#ending.signal);
    }
  }
}

/**
 * Why the alarms of an AutoRollbackConfiguration ask for a rollback; undefined while they do not. An alarm that is missing, or that
 * the role may not read, is a reason as well: a guard that nobody can see guards nothing.
 */
async function rollbackReason(
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
