/**
 * Gathers items and hands them on together: at most `intervalMs` after the first of them came, or as soon as there are `mostItems`.
 * Batches are sent one after the other, so that their order holds.
 */
export class Batches<T> {
  private items: T[] = [];
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> = Promise.resolve();
  private readonly send: (items: readonly T[]) => Promise<void>;
  private readonly intervalMs: number;
  private readonly mostItems: number;

  /** @param send must not reject: what it cannot deliver, it reports itself */
  constructor(send: (items: readonly T[]) => Promise<void>, intervalMs: number, mostItems: number) {
    this.send = send;
    this.intervalMs = intervalMs;
    this.mostItems = mostItems;
  }

  add(item: T): void {
    this.items.push(item);
    if (this.items.length >= this.mostItems) this.flushSoon();
    else this.timer ??= setTimeout(() => this.flushSoon(), this.intervalMs).unref();
  }

  /** Sends what is there; fulfilled when everything added so far is sent. */
  flush(): Promise<void> {
    this.flushSoon();
    return this.sending;
  }

  private flushSoon(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { items } = this;
    if (items.length === 0) return;
    this.items = [];
    this.sending = this.sending.then(() => this.send(items));
  }
}
