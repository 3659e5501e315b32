/**
 * What the inspection of one file may take: expanded bytes, and time that its size has paid for. Work is counted as it is
 * done and the clock is read only now and then, so that a check costs nothing where rows are small.
 */
import { inspectionSeconds, uploadLimits } from '../../contract/limits.ts';
import { Refusal } from './report.ts';

/** Milliseconds that have passed since some moment. */
export type Clock = () => number;

/** Characters and values between two looks at the clock: some ten milliseconds. */
const UNITS_PER_LOOK = 1 << 18;

export class InspectionBudget {
  readonly #storedBytes: number;
  readonly #clock: Clock | undefined;
  readonly #started: number;
  readonly #seconds: number;
  #units = 0;
  #expanded = 0;
  #values = 0;

  /** Without a clock, time is not limited; `seconds` are what is left of a longer work. */
  constructor(storedBytes: number, clock?: Clock, seconds = Number.POSITIVE_INFINITY) {
    this.#storedBytes = storedBytes;
    this.#clock = clock;
    this.#started = clock?.() ?? 0;
    this.#seconds = Math.min(inspectionSeconds(storedBytes), seconds);
  }

  /** Counts work that was done; looks at the clock when enough has come together. @throws Refusal */
  spend(units: number): void {
    this.#units += units;
    if (this.#units < UNITS_PER_LOOK) return;
    this.#units = 0;
    this.look();
  }

  /** @throws Refusal when the time is over. */
  look(): void {
    if (!this.#clock || this.#clock() - this.#started <= this.#seconds * 1000) return;
    throw new Refusal(
      'inspection-time',
      `the inspection took longer than the ${this.#seconds} seconds that a file of ${this.#storedBytes} bytes gets`,
      'split the file into smaller ones; values that repeat a long text take time that their stored bytes do not show',
    );
  }

  /** Counts a row's values in the project's columns. @throws Refusal */
  addValues(count: number): void {
    this.#values += count;
    if (this.#values <= uploadLimits.values) return;
    throw new Refusal(
      'too-many-values',
      `the file has more than ${uploadLimits.values} values in the project's columns (rows by columns)`,
      'split it into smaller files and upload these',
    );
  }

  /** Counts bytes of texts that were decoded from Parquet, where few stored bytes may well stand for many. @throws Refusal */
  decode(bytes: number): void {
    this.#expanded += bytes;
    if (this.#expanded <= uploadLimits.expandedBytes) return;
    throw new Refusal(
      'expanded-size',
      `the file has more than ${uploadLimits.expandedBytes} bytes when it is decompressed`,
      'split it into smaller files and upload these',
    );
  }

  /** Counts bytes that came out of a compressed file. @throws Refusal */
  expand(bytes: number): void {
    this.decode(bytes);
    const { expansionRatio, expansionFreeBytes } = uploadLimits;
    if (this.#expanded <= expansionFreeBytes || this.#expanded <= expansionRatio * this.#storedBytes) return;
    throw new Refusal(
      'expansion',
      `the file grows to more than ${expansionRatio} times its ${this.#storedBytes} stored bytes when it is decompressed`,
      `split it into files of at most ${expansionFreeBytes} bytes before compression, or upload it without compression`,
    );
  }
}
