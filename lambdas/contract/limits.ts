/**
 * What one upload, request, capture file or record may cost, in bytes and in time: every number with its reason.
 * docs/limits.md tells them to users, and a test compares the two; docs/decisions/0013 argues the choices. The jobs' Python
 * repeats `nesting` and `labelMagnitude`, and test/corpus holds it to them.
 */
const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** One uploaded file. A file over a limit is quarantined with a report; nothing of it is tried again. */
export const uploadLimits = {
  /** As stored. CopyObject takes at most 5 GiB (S3 API reference), and an accepted file is copied. */
  storedBytes: 5 * GiB,
  /** That one marker closes. Small ones take a tenth of a second each: with `markerSeconds`, two markers check so many. */
  files: 10_000,
  /** All files of one marker together; leaves three of Lambda's fifteen minutes to record them. What was checked stays checked. */
  markerSeconds: 720,
  /** Of one dataset version: its manifest is read and written as a whole, and takes 1 kB of memory a file several times over. */
  objects: 100_000,
  /**
   * After decompression; in Parquet the texts of the project's columns. A job reads one file as a whole on 16 GiB (ml.m5.xlarge),
   * and an Arrow text column has 2 GiB.
   */
  expandedBytes: 2 * GiB,
  /** Rows times the project's columns: eight bytes each in a job, three times over at its peak; an empty CSV field has one. */
  values: 250_000_000,
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
  /** Lists and objects in one another, in one JSON line: Python's reader gives up at a thousand. */
  nesting: 100,
  /** Of a label that is a number, either way: squares of errors, and their sums, have to fit a model's 32-bit floats (3.4e38). */
  labelMagnitude: 1e18,
  /** Names in a header, a schema or one JSON object. */
  columns: 4096,
  /** Parquet decodes a row group as a whole, about 35 bytes a value: pyarrow's default of 1,048,576 rows by 19 columns fits. */
  rowGroupValues: 20_000_000,
  /** The row group's pages, decompressed. */
  rowGroupBytes: 256 * MiB,
  /**
   * One Parquet page: of texts, each is an object of a hundred bytes until the page is decoded. Writers close a page at
   * 20,000; pyarrow of old at a row group.
   */
  pageValues: 1_048_576,
  /** A Parquet footer, some 3,500 row groups of 17 columns: parsed, it takes sixty times its size in memory. */
  footerBytes: 8 * MiB,
  /** Time is bought with bytes: a small file gets `baseSeconds`, each `bytesPerSecond` stored one second more, none over `maximumSeconds`. */
  baseSeconds: 60,
  bytesPerSecond: 256 * KiB,
  /** Leaves five of Lambda's fifteen minutes to copy and to record. */
  maximumSeconds: 600,
  /** Uploads of an environment that are checked at the same time: a new account has ten concurrent executions for all functions. */
  concurrency: 5,
} as const;

/** One HTTP request. Over a size: 413; against a rule: 400. */
export const requestLimits = {
  /** Lambda takes 6 MB of event, in which a body of JSON is escaped (Lambda quotas). */
  bodyBytes: 4 * MiB,
  /** What goes on to the model: `Body` of InvokeEndpoint has at most 6,291,456 bytes (SageMaker runtime API reference). */
  modelBytes: 6 * MiB,
  /** What comes back: Lambda gives out 6 MB, in which the answer is escaped. */
  answerBytes: 4 * MiB,
  /** Names in one row, or in the header of a CSV body: as in an upload. */
  columns: uploadLimits.columns,
  /** Violations that an answer tells one by one; all are counted. */
  violations: 100,
  /** Ground truth: labels in one request. */
  labels: 10_000,
  /** A prediction id names its row; requests of this many rows do not fit into `bodyBytes`. */
  rowNumber: 1_000_000,
  /** How far a prediction's minute may be ahead of our clock: those of two functions differ. */
  clockSkewSeconds: 300,
} as const;

/** One file of captured requests, and what comes of it. */
export const captureLimits = {
  /** One invocation: request and answer, of at most 6 MB each, escaped. A longer line is left out and told of. */
  lineBytes: 16 * MiB,
  /** Of one file; a function reads so much in a quarter of its minute. What follows is left out: drift is measured on a sample anyway. */
  fileBytes: 256 * MiB,
  /** Rows of one invocation, asked before each of them is parsed. */
  rowsPerLine: 100_000,
  /** Captured rows that are kept at once, before they become counts. */
  pendingBytes: 16 * MiB,
  /** Models and hours in one file: SageMaker starts a file a few minutes after the one before. */
  groups: 48,
  /** Items in which the counts of one model and hour are kept: so many files can be counted at once. */
  shards: 4,
  /** Names of files in one item, 19 bytes each; DynamoDB takes 400 kB. Files beyond it are not counted. */
  filesPerItem: 10_000,
  /** `baseline.json` of a model: 1,000 features of 20 values with long names. */
  baselineBytes: 4 * MiB,
  /** Features: each has a metric, and is named in an event of 256 kB with up to 250 bytes. */
  baselineFeatures: 1000,
  /** Bins of all features: their counts are one item, up to ten bytes each. */
  baselineBins: 30_000,
  /** Lines that could not be read and are logged one by one; all are counted. */
  loggedLines: 20,
} as const;

/** What jobs and uploads leave in the lineage table: DynamoDB takes 400 kB an item, events 256 kB (DynamoDB, EventBridge quotas). */
export const recordLimits = {
  /** `evaluation.json`, as a job writes it; it stays in S3. */
  evaluationBytes: 16 * MiB,
  /** What of it the table keeps, beside it: metrics whole, and of the slices those that may decide. */
  evaluationRecordBytes: 200 * KiB,
  /** Metrics of an evaluation, and the length of their names: they stand in events and in the gate's reasons. */
  metrics: 100,
  metricNameCharacters: 100,
  /** Reasons of a decision, the gate's last word on each slice among them: some 400 bytes each. */
  reasons: 300,
  /** Names of uploads in a version's record and event, as JSON: a key of control characters has 6 kB, and an event 256. */
  uploadsBytes: 64 * KiB,
  /** Slices of an evaluation that is cut: each is a reason in the gate's decision, whose event has 256 kB. */
  slices: 500,
  /**
   * A node's id. DynamoDB: a sort key has at most 1,024 bytes, and an edge's is the id with the relation before it; S3's keys,
   * which upload nodes are named by, have 1,024 themselves. A longer name is cut and told apart by a hash.
   */
  nodeIdBytes: 900,
} as const;

/** How long a file of this size may be under inspection. */
export function inspectionSeconds(storedBytes: number): number {
  const { baseSeconds, bytesPerSecond, maximumSeconds } = uploadLimits;
  return Math.min(maximumSeconds, baseSeconds + Math.floor(storedBytes / bytesPerSecond));
}
