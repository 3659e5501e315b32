/**
 * What one upload, request, capture file or record may cost, in bytes and in time: every number once, with its reason.
 * docs/limits.md tells them to users, and a test compares the two; docs/decisions/0013 argues the choices.
 */
const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** One uploaded file. A file over a limit is quarantined with a report; nothing of it is tried again. */
export const uploadLimits = {
  /** As stored. CopyObject takes at most 5 GiB (S3 API reference), and an accepted file is copied. */
  storedBytes: 5 * GiB,
  /** After decompression: about what ten minutes can check, whatever the ratio. */
  expandedBytes: 20 * GiB,
  /** Expanded bytes a stored byte. gzip can reach 1,032; logs and one-hot tables stay below 250. */
  expansionRatio: 250,
  /** The ratio is not asked before this size: small files may repeat themselves as they like. */
  expansionFreeBytes: 256 * MiB,
  /** One CSV record or JSON line: bounds what a quote that is never closed can take. */
  recordCharacters: MiB,
  /** One value of a column of type `text`, or of an id: a long description, not a document. */
  textCharacters: 64 * KiB,
  /** One value of a category: a profile and a baseline keep hundreds of them in memory. */
  categoryCharacters: KiB,
  /** Names in a header, a schema or one JSON object. */
  columns: 4096,
  /** Parquet decodes a row group as a whole, about 35 bytes a value: pyarrow's default of 1,048,576 rows by 19 columns fits. */
  rowGroupValues: 20_000_000,
  /** The row group's pages, decompressed. */
  rowGroupBytes: 256 * MiB,
  /** A Parquet footer: some 7,000 row groups of 17 columns. */
  footerBytes: 16 * MiB,
  /** Time is bought with bytes: a small file gets `baseSeconds`, each `bytesPerSecond` stored one second more, none over `maximumSeconds`. */
  baseSeconds: 60,
  bytesPerSecond: 256 * KiB,
  /** Leaves five of Lambda's fifteen minutes to copy and to record. */
  maximumSeconds: 600,
} as const;

/** How long a file of this size may be under inspection. */
export function inspectionSeconds(storedBytes: number): number {
  const { baseSeconds, bytesPerSecond, maximumSeconds } = uploadLimits;
  return Math.min(maximumSeconds, baseSeconds + Math.floor(storedBytes / bytesPerSecond));
}
