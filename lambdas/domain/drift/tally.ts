/**
 * A capture file becomes counts while it is read: captured rows are kept only until there are some megabytes of them.
 *
 *     bytes ──▶ lines ──▶ requests, by model and hour ──▶ counts in the bins of the model's baseline
 */
import { captureLimits } from '../../contract/limits.ts';
import type { BaselineFile } from '../../contract/model-files.ts';
import { type CapturedRequest, CaptureReader } from './capture.ts';
import { type Counts, countRows, emptyCounts, mergeCounts } from './counts.ts';

/** A model of the project, and the bins in which its traffic is counted. */
export interface CountedModel {
  readonly model: number;
  readonly baseline: BaselineFile;
}

/** Rows of one model that were predicted in one hour, `2013-07-01T09`. */
export interface CountedGroup extends CountedModel {
  readonly hour: string;
  readonly counts: Counts;
}

interface OpenGroup {
  readonly version: string;
  readonly hour: string;
  pending: CapturedRequest[];
  counts: Counts | undefined;
}

export class CaptureTally {
  /** The first lines that could not be read. */
  readonly broken: { readonly line: number; readonly reason: string }[] = [];
  /** What was met for one model; its rows are not in the groups. */
  readonly failures: unknown[] = [];
  lines = 0;
  /** Lines that are in no group: broken, beyond a limit, or of no model. */
  uncounted = 0;
  /** A limit on the file was met: what is uncounted may be more than its lines. */
  beyondLimit = false;
  readonly #bytes: AsyncIterable<Uint8Array>;
  readonly #groups = new Map<string, OpenGroup>();
  readonly #models = new Map<string, CountedModel | undefined>();
  #pendingBytes = 0;

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#bytes = bytes;
  }

  /** @param find The model of a version, asked once each; undefined for one whose rows are not counted. */
  async read(find: (version: string) => Promise<CountedModel | undefined>): Promise<void> {
    const reader = new CaptureReader({
      request: (request) => this.#add(request),
      broken: (line, reason) => {
        this.lines += 1;
        this.uncounted += 1;
        if (this.broken.length < captureLimits.loggedLines) this.broken.push({ line, reason });
      },
    });
    let read = 0;
    for await (const chunk of this.#bytes) {
      read += chunk.length;
      // Leaving the loop closes the source; the line that was cut is left out with what follows.
      if (read > captureLimits.fileBytes) {
        this.uncounted += 1;
        this.beyondLimit = true;
        break;
      }
      reader.push(chunk);
      if (this.#pendingBytes > captureLimits.pendingBytes) await this.#count(find);
    }
    if (read <= captureLimits.fileBytes) reader.end();
    await this.#count(find);
  }

  groups(): readonly CountedGroup[] {
    return [...this.#groups.values()].flatMap(({ version, hour, counts }) => {
      const model = this.#models.get(version);
      return model && counts ? [{ ...model, hour, counts }] : [];
    });
  }

  #add(request: CapturedRequest): void {
    this.lines += 1;
    const hour = request.time.slice(0, 13);
    const key = `${request.modelVersion} ${hour}`;
    let group = this.#groups.get(key);
    if (!group) {
      if (this.#groups.size >= captureLimits.groups) {
        this.beyondLimit = true;
        this.uncounted += 1;
        return;
      }
      group = { version: request.modelVersion, hour, pending: [], counts: undefined };
      this.#groups.set(key, group);
    }
    group.pending.push(request);
    this.#pendingBytes += request.bytes;
  }

  async #count(find: (version: string) => Promise<CountedModel | undefined>): Promise<void> {
    for (const group of this.#groups.values()) {
      const { pending } = group;
      if (pending.length === 0) continue;
      group.pending = [];
      const model = await this.#modelOf(group.version, find);
      if (!model) {
        this.uncounted += pending.length;
        continue;
      }
      try {
        const rows = pending.flatMap((request) => request.rows);
        const predictions = pending.flatMap((request) => request.predictions);
        const counts = countRows(model.baseline, rows, predictions);
        group.counts = mergeCounts(group.counts ?? emptyCounts(model.baseline), counts);
      } catch (error) {
        // The rows are of another kind than the baseline's: they belong to no model that we know.
        if (!(error instanceof RangeError)) throw error;
        this.failures.push(error);
        this.uncounted += pending.length;
      }
    }
    this.#pendingBytes = 0;
  }

  async #modelOf(
    version: string,
    find: (version: string) => Promise<CountedModel | undefined>,
  ): Promise<CountedModel | undefined> {
    if (!this.#models.has(version)) {
      // A model that is not there, or whose baseline is broken: told at the end, after the others are counted.
      const model = await find(version).catch((error: unknown) => {
        this.failures.push(error);
        return undefined;
      });
      this.#models.set(version, model);
    }
    return this.#models.get(version);
  }
}
