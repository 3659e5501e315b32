/** The files of one upload, each checked once: what an attempt has done in its fifteen minutes, the next one finds. */
import { uploadLimits } from '../../contract/limits.ts';
import type { AcceptedFile } from '../../contract/records.ts';
import type { ProjectSettings } from '../../contract/settings.ts';
import type { RejectionReport } from '../../domain/dataset/report.ts';
import { checkedName } from '../../domain/versions.ts';
import { inParallel } from '../../runtime/in-parallel.ts';
import type { DatasetStore, Upload } from '../../stores/dataset-store.ts';

/** An upload that is not taken, and why. */
export interface Rejection {
  readonly upload: Upload;
  readonly sha256: string;
  readonly report: RejectionReport;
}

export type Checked =
  | { readonly outcome: 'accepted'; readonly files: readonly AcceptedFile[] }
  | { readonly outcome: 'rejected'; readonly rejection: Rejection }
  /** The time of a marker is over; what was checked is kept for another attempt. */
  | { readonly outcome: 'late'; readonly checked: number };

/** Codes of a report on a file that has nothing to say. */
const WITHOUT_ROWS: ReadonlySet<string> = new Set(['empty', 'no-rows']);

/**
 * Checks the files in order. Of many, those that an earlier attempt has checked are found fifty at a time, and the others
 * have one deadline together.
 *
 * @param check Inspects a file in at most these seconds, and stores it.
 * @param clock Milliseconds since the attempt has begun, or any other moment.
 */
export async function checkFiles(
  project: ProjectSettings,
  uploads: readonly Upload[],
  datasets: DatasetStore,
  check: (upload: Upload, seconds: number) => Promise<AcceptedFile | Rejection>,
  clock: () => number,
): Promise<Checked> {
  const isOne = uploads.length === 1;
  const deadline = isOne ? Number.POSITIVE_INFINITY : clock() + uploadLimits.markerSeconds * 1000;
  const nameOf = (upload: Upload) => checkedName(project.data, upload);
  const known = isOne
    ? []
    : await inParallel(uploads, async (upload) => datasets.findChecked(project.name, nameOf(upload)));
  const files: AcceptedFile[] = [];
  let without: Rejection | undefined;
  for (const [index, upload] of uploads.entries()) {
    const before = known[index];
    if (before) {
      files.push(before);
      continue;
    }
    const seconds = (deadline - clock()) / 1000;
    const checked = seconds > 0 ? await check(upload, seconds) : undefined;
    const isLate = !checked || (clock() >= deadline && 'report' in checked);
    if (isLate) return { outcome: 'late', checked: known.slice(index).filter(Boolean).length + files.length };
    if (!('report' in checked)) {
      files.push(checked);
      if (!isOne) await datasets.writeChecked(project.name, nameOf(upload), checked);
    }
    // Spark writes a file for each partition, and some have no row.
    else if (!isOne && WITHOUT_ROWS.has(checked.report.code)) without = checked;
    // One bad file keeps a whole multi-file upload out: half a batch is no version.
    else return { outcome: 'rejected', rejection: checked };
  }
  if (files.length === 0 && without) return { outcome: 'rejected', rejection: without };
  return { outcome: 'accepted', files };
}
