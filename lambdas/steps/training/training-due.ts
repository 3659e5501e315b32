/** What the steps of training and reconcile share: the word that something which waited can be decided. */
import { TrainingDue } from '../../contract/events.ts';
import type { StateRecord } from '../../contract/records.ts';
import type { EventPublisher } from '../../stores/event-publisher.ts';

/** Tells, when no run is under way, that what waited for that can be decided. */
export async function announceDue(
  project: string,
  { activeRunId, pending, renewal }: StateRecord,
  events: EventPublisher,
): Promise<void> {
  if (activeRunId !== undefined) return;
  const due = renewal ?? pending;
  if (!due) return;
  const reason = renewal
    ? `the code was deployed anew before a run had started: it is requested anew (${renewal.reason})`
    : `no run is under way any more: what has come since ${due.since} is decided`;
  await events.publish(TrainingDue, { project, at: due.since, reason });
}
