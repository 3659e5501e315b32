/** What jobs cost of a project's monthly hours: held back when one is asked for, settled when it has ended. */
import type { Write } from './lineage-writes.ts';

/** Hours held back for a job under way, in the budget of the month in which it was asked for. */
export interface Reservation {
  readonly month: string;
  readonly hours: number;
}

interface Change {
  readonly month: string;
  readonly hours?: number;
  readonly reserved?: number;
}

/** A month, `2026-11`, in which something costs. */
export const monthOf = (at: string): string => at.slice(0, 7);

/** @param seconds what the job may take at most */
export function reservationOf(at: string, seconds: number): Reservation {
  return { month: monthOf(at), hours: seconds / 3600 };
}

export const reserved = (reservation: Reservation | undefined): readonly Change[] =>
  reservation ? [{ month: reservation.month, reserved: reservation.hours }] : [];
export const released = (reservation: Reservation | undefined): readonly Change[] =>
  reservation ? [{ month: reservation.month, reserved: -reservation.hours }] : [];
export const used = (at: string, seconds: number): Change => ({ month: monthOf(at), hours: seconds / 3600 });

/** One write a month: a transaction may touch an item once. */
export function budgetWrites(project: string, changes: readonly Change[]): Write[] {
  const months = new Map<string, { hours: number; reserved: number }>();
  for (const change of changes) {
    const sum = months.get(change.month) ?? { hours: 0, reserved: 0 };
    sum.hours += change.hours ?? 0;
    sum.reserved += change.reserved ?? 0;
    months.set(change.month, sum);
  }
  return [...months].map(([month, sum]) => ({ kind: 'hours', project, month, ...sum }));
}
