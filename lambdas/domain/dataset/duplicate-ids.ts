/**
 * Which ids came before, and in which line: a table of 64-bit hashes with open addressing, 12 bytes a slot.
 *
 *     slot │ high │ low │ line │        line 0: free
 *
 * Two different ids share a hash with a probability of n² / 2^65: 4e-6 for 12 million ids.
 */
import { Hash64 } from './hash.ts';

/** About 200 MB of table, and 300 MB while it grows to that size for the last time. */
export const MAXIMUM_IDS = 12_000_000;

export class IdTable {
  readonly #limit: number;
  readonly #hash = new Hash64();
  #slots = newSlots(1 << 12);
  #recorded = 0;
  #skipped = 0;

  /** @param limit Ids that are recorded; later ones are looked up among these, and not recorded. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False when ids came after the table was full: a pair of equal ids among those was not found. */
  get isComplete(): boolean {
    return this.#skipped === 0;
  }

  get recorded(): number {
    return this.#recorded;
  }

  /** The line of an earlier row with the same id; undefined when there is none, and the id is recorded. */
  seen(id: readonly string[], line: number): number | undefined {
    const hash = this.#hash;
    hash.start();
    for (const part of id) hash.addText(part);
    hash.finish();
    const { high, low } = hash;
    const slot = find(this.#slots, high, low);
    const earlier = this.#slots.line[slot] ?? 0;
    if (earlier !== 0) return earlier;
    if (this.#recorded >= this.#limit) {
      this.#skipped += 1;
      return undefined;
    }
    put(this.#slots, slot, high, low, line);
    this.#recorded += 1;
    if (this.#recorded > this.#slots.line.length * FULL) this.#slots = grown(this.#slots);
    return undefined;
  }
}

const FULL = 0.75;

interface Slots {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  readonly line: Uint32Array;
}

function newSlots(size: number): Slots {
  return { high: new Uint32Array(size), low: new Uint32Array(size), line: new Uint32Array(size) };
}

/** The slot that holds the hash, or the free one where it belongs. The size is a power of two. */
function find({ high, low, line }: Slots, wantedHigh: number, wantedLow: number): number {
  const mask = line.length - 1;
  let slot = wantedLow & mask;
  while (line[slot] !== 0 && (low[slot] !== wantedLow || high[slot] !== wantedHigh)) slot = (slot + 1) & mask;
  return slot;
}

function put(slots: Slots, slot: number, high: number, low: number, line: number): void {
  slots.high[slot] = high;
  slots.low[slot] = low;
  // 2^32 lines and more: the line that a report names wraps, never to "free".
  slots.line[slot] = line >>> 0 || 1;
}

function grown(old: Slots): Slots {
  const slots = newSlots(old.line.length * 2);
  old.line.forEach((line, index) => {
    if (line === 0) return;
    const [high = 0, low = 0] = [old.high[index], old.low[index]];
    put(slots, find(slots, high, low), high, low, line);
  });
  return slots;
}
