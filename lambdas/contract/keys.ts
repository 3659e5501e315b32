/**
 * Names written once: S3 keys, SageMaker names, and the keys of the lineage table. Builders and parsers stand side by
 * side; a property test holds that each parser undoes its builder.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { recordLimits } from './limits.ts';

/* ---- S3 ---- */

/** Raw bucket: `<project>/<anything>`. */
export const uploadKey = {
  marker: '_SUCCESS',
  /** The project that a key belongs to: its first path segment; undefined for a key without one. */
  project(key: string): string | undefined {
    const slash = key.indexOf('/');
    return slash > 0 ? key.slice(0, slash) : undefined;
  },
  isMarker: (key: string): boolean => key.endsWith('/_SUCCESS'),
  /**
   * What Spark, Hadoop and file managers leave beside data, and what stands for a folder: neither data nor a fault of it.
   * Spark's own readers skip names that begin with `_` or `.`; of the former only its own are skipped here.
   */
  isLeftover(key: string): boolean {
    const parts = key.split('/');
    const name = parts.at(-1) ?? '';
    if (name === '' || name.startsWith('.') || name.endsWith('.crc') || name.endsWith('_$folder$')) return true;
    return (
      /^_(SUCCESS|metadata|common_metadata|(started|committed|vacuum)[_.].*)$/.test(name) ||
      parts.includes('_temporary')
    );
  },
  /** The folder that a marker closes, with its slash. */
  markerPrefix: (key: string): string => key.slice(0, key.lastIndexOf('/') + 1),
};

/** Dataset bucket. */
export const datasetKey = {
  prefix: (project: string): string => `datasets/${project}/`,
  objects: (project: string): string => `datasets/${project}/objects/`,
  object: (project: string, sha256: string): string => `datasets/${project}/objects/${sha256}`,
  /** What an object's columns hold: counts, quantiles, frequent values. Profiles of several objects can be merged. */
  profile: (project: string, sha256: string): string => `datasets/${project}/profiles/${sha256}.json`,
  manifest: (project: string, manifestId: string): string => `datasets/${project}/manifests/${manifestId}.json`,
  /** The same objects as a SageMaker ManifestFile channel. */
  channel: (project: string, manifestId: string): string => `datasets/${project}/channels/${manifestId}.json`,
  /** The files of one upload, checked and stored, whether a version holds them yet or not. */
  accepted: (project: string, batch: string): string => `datasets/${project}/accepted/${batch}.json`,
  /** One file of a large upload that is still being checked; the hash is that of its name and of the rules it was checked by. */
  checked: (project: string, sha256: string): string => `datasets/${project}/accepted/parts/${sha256}.json`,
  quarantined: (project: string, sha256: string): string => `quarantine/${project}/${sha256}/upload`,
  report: (project: string, sha256: string): string => `quarantine/${project}/${sha256}/report.json`,
};

/** Model bucket. */
export const modelKey = {
  prefix: (project: string): string => `models/${project}/`,
  /** Where the jobs of a project write: models, checkpoints, evaluations. */
  ofJobs: (project: string): string[] =>
    ['runs', 'checkpoints', 'evaluations'].map((folder) => `models/${project}/${folder}/`),
  code: (project: string, sha256: string): string => `models/${project}/code/${sha256}/sourcedir.tar.gz`,
  /** SageMaker adds `<job>/output/model.tar.gz`. */
  runs: (project: string): string => `models/${project}/runs`,
  checkpoints: (project: string, runId: string): string => `models/${project}/checkpoints/${runId}`,
  evaluation: (project: string, jobName: string): string => `models/${project}/evaluations/${jobName}`,
  evaluationFile: (project: string, jobName: string): string =>
    `models/${project}/evaluations/${jobName}/evaluation.json`,
  baselineFile: (project: string, jobName: string): string => `models/${project}/evaluations/${jobName}/baseline.json`,
};

/** Capture bucket. SageMaker adds `<endpoint>/<variant>/yyyy/mm/dd/hh/<file>.jsonl`. */
export const captureKey = {
  prefix: (project: string): string => `capture/${project}`,
  /** By the hash of the labels: a label is known by its content, whenever and however often it is sent. */
  groundTruthFile: (project: string, sha256: string): string => `ground-truth/${project}/${sha256}.jsonl`,
  driftReport: (project: string, measurementId: string): string => `drift/${project}/${measurementId}.html`,
  /** The project of a captured file; undefined for any other key. */
  project(key: string): string | undefined {
    const [folder, project, ...rest] = key.split('/');
    return folder === 'capture' && project && rest.length > 0 ? project : undefined;
  },
};

/* ---- SageMaker names: at most 63 characters of letters, digits and dashes ---- */

/** Everything that Flywheel makes in SageMaker in one environment starts so; event rules and IAM policies use it. */
export const sageMakerPrefix = (environment: string): string => `flywheel-${environment}-`;
const inProject = (environment: string, project: string): string => `${sageMakerPrefix(environment)}${project}`;

/*
 * SageMaker keeps jobs, models and endpoint configs when an environment is taken away, and the tables of the next one under
 * the same name begin to count at 1 again. So every name that a counter is part of has the installation in it: an evaluation's
 * as it is, a training run's and an endpoint config's in the hash.
 */
/** Digits of an installation's id: `installationOf` makes them of the table's name. */
export const INSTALLATION_DIGITS = 5;

export const trainingJobName = {
  build: (environment: string, run: { project: string; runId: string; attempt: number }): string =>
    `${inProject(environment, run.project)}-${run.runId}-a${run.attempt}`,
  /** Undefined for a job that is not ours. */
  parse(environment: string, name: string): { project: string; runId: string; attempt: number } | undefined {
    const match = matchName(environment, name, /^(.+)-([0-9a-f]{12})-a(\d+)$/);
    if (!match) return undefined;
    const [project = '', runId = '', attempt] = match;
    return { project, runId, attempt: Number(attempt) };
  },
};

export interface EvaluationName {
  readonly project: string;
  readonly model: number;
  /** Counts the evaluations of the model, from 1: another champion or another try is the next. */
  readonly number: number;
  readonly installation: string;
}

/** `flywheel-prod-flights-m12-e1-3fa9c`; whom it was compared with is in the evaluation's record. */
export const evaluationJobName = {
  build: (environment: string, { project, model, number, installation }: EvaluationName): string =>
    `${inProject(environment, project)}-m${model}-e${number}-${installation}`,
  parse(environment: string, name: string): EvaluationName | undefined {
    const match = matchName(environment, name, /^(.+)-m(\d+)-e(\d+)-([0-9a-f]{5})$/);
    if (!match) return undefined;
    const [project = '', model, number, installation = ''] = match;
    return { project, model: Number(model), number: Number(number), installation };
  },
};

export const endpointName = {
  build: inProject,
  parse: (environment: string, name: string): string | undefined => matchName(environment, name, /^(.+)$/)?.[0],
};

/** SageMaker writes the logs of an endpoint's containers to this group, and creates it where it is missing. */
export const endpointLogGroup = (endpoint: string): string => `/aws/sagemaker/Endpoints/${endpoint}`;

/** The one production variant of every endpoint: part of the requests, and a dimension of the metrics that alarms watch. */
export const PRODUCTION_VARIANT = 'AllTraffic';

/** SageMaker model and endpoint config of a model version; `servingHash` (6 digits) changes with the serving settings and the installation. */
export const endpointConfigName = {
  build: (environment: string, config: { project: string; model: number; servingHash: string }): string =>
    `${inProject(environment, config.project)}-m${config.model}-${config.servingHash}`,
  parse(environment: string, name: string): { project: string; model: number } | undefined {
    const match = matchName(environment, name, /^(.+)-m(\d+)-([0-9a-f]{6})$/);
    if (!match) return undefined;
    const [project = '', model] = match;
    return { project, model: Number(model) };
  },
};

export const modelVersionName = {
  /** What a container answers with, and what a prediction carries: `flights/3`. */
  build: (project: string, model: number): string => `${project}/${model}`,
  parse(name: string): { project: string; model: number } | undefined {
    const match = /^([^/]+)\/(\d+)$/.exec(name);
    return match?.[1] && match[2] ? { project: match[1], model: Number(match[2]) } : undefined;
  },
};

/**
 * A prediction carries its origin in its id, so no write per prediction is needed to trace it:
 * `flights.3.20130701T0915.<inference id>.<row>`: project, model version, minute (UTC, where to look in the capture), request, row.
 */
export const predictionId = {
  build: (p: { project: string; model: number; minute: string; inferenceId: string; row: number }): string =>
    `${p.project}.${p.model}.${p.minute}.${p.inferenceId}.${p.row}`,
  parse(id: string): { project: string; model: number; minute: string; inferenceId: string; row: number } | undefined {
    const match = /^([a-z0-9-]+)\.(\d{1,9})\.(\d{8}T\d{4})\.([0-9a-f-]{1,64})\.(\d{1,9})$/.exec(id);
    const [, project, model, minute, inferenceId, row] = match ?? [];
    if (!(project && model && minute && inferenceId && row)) return undefined;
    return { project, model: Number(model), minute, inferenceId, row: Number(row) };
  },
};

/* ---- Lineage table ---- */

/** Attribute names of the table and its indexes. */
export const table = {
  partitionKey: 'pk',
  sortKey: 'sk',
  timeToLive: 'expiresAt',
  /** Edges by where they point to: what came of a node. */
  incoming: { index: 'incoming', partitionKey: 'to', sortKey: 'pk' },
  /** Nodes of one type and project, oldest first. */
  byType: { index: 'byType', partitionKey: 'list', sortKey: 'listOrder' },
} as const;

export const nodeTypes = {
  upload: 'entity',
  'dataset-object': 'entity',
  'dataset-version': 'entity',
  'dataset-registration': 'activity',
  code: 'entity',
  'training-run': 'activity',
  model: 'entity',
  evaluation: 'activity',
  decision: 'activity',
  deployment: 'activity',
  endpoint: 'entity',
  'drift-measurement': 'activity',
  'quarantined-upload': 'entity',
  prediction: 'entity',
  agent: 'agent',
} as const;
export const nodeType = z.enum(Object.keys(nodeTypes) as [keyof typeof nodeTypes]);
export type NodeType = keyof typeof nodeTypes;

/**
 * A node's id, which is also its partition key: `model/flights/3`, `dataset-version/flights/12`, `training-run/flights/3f2a…`.
 * A local name that is too long for a key is cut, and a hash of the whole follows: the node's record has it in full.
 */
export const nodeId = {
  build(type: NodeType, project: string, local: string | number): string {
    const id = `${type}/${project}/${local}`;
    return Buffer.byteLength(id) <= recordLimits.nodeIdBytes ? id : `${type}/${project}/${shortened(String(local))}`;
  },
  parse(id: string): { type: NodeType; project: string; local: string } | undefined {
    const [type, project, ...local] = id.split('/');
    const known = nodeType.safeParse(type);
    return known.success && project && local.length > 0
      ? { type: known.data, project, local: local.join('/') }
      : undefined;
  },
};

/** Characters that stay of a long name, of at most four bytes each: enough for people to know it by. */
const KEPT_CHARACTERS = 120;

function shortened(name: string): string {
  const hash = createHash('sha256').update(name).digest('hex');
  return `${Array.from(name).slice(0, KEPT_CHARACTERS).join('')}~${hash.slice(0, 32)}`;
}

/** PROV relations, from effect to cause. */
export const relations = [
  'used',
  'wasGeneratedBy',
  'wasDerivedFrom',
  'wasAttributedTo',
  'wasAssociatedWith',
  'wasInformedBy',
] as const;
export type Relation = (typeof relations)[number];

const partitions = {
  journal: 'journal/',
  counts: 'counts/',
  /** Of the demands that are published as an event of one type. */
  demands: (detailType: string) => `demand/${detailType}/`,
} as const;

/** First segment of the partition keys of nodes with their edges, and of what is kept beside them for a project. */
export type NodePartition = NodeType | 'project' | 'pending' | 'registration';

export const itemKey = {
  /** With which partition keys begin: a permission to write can be narrowed to them. */
  partitions,
  node: (id: string) => ({ pk: id, sk: 'node' }),
  edge: (from: string, relation: Relation, to: string) => ({ pk: from, sk: `edge#${relation}#${to}` }),
  /** What is true now of a project: newest dataset version, model in service, deployment wanted, last training. */
  state: (project: string) => ({ pk: `project/${project}`, sk: 'state' }),
  budget: (project: string, month: string) => ({ pk: `project/${project}`, sk: `budget#${month}` }),
  suppression: (project: string, cause: string) => ({ pk: `project/${project}`, sk: `suppression#${cause}` }),
  /** An accepted upload that no version holds yet; oldest first. */
  pending: (project: string, uploadedAt: string, batch: string) => ({
    pk: `pending/${project}`,
    sk: `${uploadedAt}#${batch}`,
  }),
  registration: (project: string, batch: string) => ({ pk: `registration/${project}/${batch}`, sk: 'registration' }),
  drift: (project: string, model: number) => ({ pk: `project/${project}`, sk: `drift#${model}` }),
  /** What a person asked for over the HTTP API. */
  demand: (detailType: string, project: string, demandId: string) => ({
    pk: `${partitions.demands(detailType)}${project}`,
    sk: demandId,
  }),
  /** Captured counts of one model and one hour (UTC, `2013-07-01T09`), in a few items: by the file that is counted. */
  counts: (project: string, model: number, hour: string, shard: number) => ({
    pk: `${partitions.counts}${project}/${model}`,
    sk: `${hour}#${shard}`,
  }),
  /** First and last sort key of the counts of these hours. An hour alone is how items of old were named. */
  countsBetween: (project: string, model: number, first: string, last: string) => ({
    pk: `${partitions.counts}${project}/${model}`,
    first,
    last: `${last}#~`,
  }),
  journal: (project: string, at: string, detailType: string, hash: string) => ({
    pk: `${partitions.journal}${project}`,
    sk: `${at}#${detailType}#${hash}`,
  }),
};

export const listKey = (project: string, type: NodeType): string => `${project}#${type}`;
/** Sorts numbers as text: ten digits. */
export const listOrder = (number: number): string => String(number).padStart(10, '0');

/** The groups of the pattern in what follows the environment's prefix. */
function matchName(environment: string, name: string, pattern: RegExp): string[] | undefined {
  const prefix = sageMakerPrefix(environment);
  return name.startsWith(prefix) ? pattern.exec(name.slice(prefix.length))?.slice(1) : undefined;
}
