/**
 * Which actions of AWS the code of a function calls, read from its source: the methods of stores that the handler and
 * what it imports call, and the commands of the SDK that those methods send. Biome keeps the source in the form that is
 * expected here.
 */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { FunctionName } from '../../lambdas/contract/env.ts';
import { repositoryRoot } from '../../lib/bundle.ts';
import { importedBy, reachedFrom, sourceOf } from './source-files.ts';

const STORES = 'lambdas/stores';

/** What IAM asks for beside, or in place of, the action of a command's name. */
const actionsOfCommand: Readonly<Record<string, readonly string[]>> = {
  // Names of lib-dynamodb.
  'dynamodb:Get': ['dynamodb:GetItem'],
  'dynamodb:Put': ['dynamodb:PutItem'],
  'dynamodb:Update': ['dynamodb:UpdateItem'],
  'dynamodb:Delete': ['dynamodb:DeleteItem'],
  'dynamodb:BatchGet': ['dynamodb:BatchGetItem'],
  'dynamodb:BatchWrite': ['dynamodb:BatchWriteItem'],
  // S3 user guide, "Required permissions for Amazon S3 API operations".
  's3:HeadObject': ['s3:GetObject'],
  's3:ListObjectsV2': ['s3:ListBucket'],
  's3:CopyObject': ['s3:GetObject', 's3:PutObject'],
  // SageMaker developer guide, "API permissions reference": roles are passed, what is made is tagged, volumes need grants.
  'sagemaker:CreateTrainingJob': [
    'sagemaker:CreateTrainingJob',
    'sagemaker:AddTags',
    'iam:PassRole',
    'kms:CreateGrant',
  ],
  'sagemaker:CreateProcessingJob': [
    'sagemaker:CreateProcessingJob',
    'sagemaker:AddTags',
    'iam:PassRole',
    'kms:CreateGrant',
  ],
  'sagemaker:CreateModel': ['sagemaker:CreateModel', 'sagemaker:AddTags', 'iam:PassRole'],
  'sagemaker:CreateEndpointConfig': ['sagemaker:CreateEndpointConfig', 'sagemaker:AddTags', 'kms:CreateGrant'],
  'sagemaker:CreateEndpoint': ['sagemaker:CreateEndpoint', 'sagemaker:AddTags'],
};
/** DynamoDB developer guide: a transaction needs the actions of what it holds, and none of its own. */
const actionsOfTransaction: Readonly<Record<string, string>> = {
  Put: 'dynamodb:PutItem',
  Update: 'dynamodb:UpdateItem',
  Delete: 'dynamodb:DeleteItem',
  ConditionCheck: 'dynamodb:ConditionCheckItem',
};

/** A function, or a method of a store: its text and its name. */
interface Unit {
  readonly name: string;
  readonly text: string;
}

/** @returns the actions of DynamoDB, S3, SageMaker, EventBridge, CloudWatch and IAM, sorted */
export function calledActions(name: FunctionName): string[] {
  // Stores apart, and their helpers.
  const files = reachedFrom(`lambdas/handlers/${name}.ts`, (file) => !file.startsWith(STORES));
  const constructed = new Map(
    files.flatMap((file) =>
      [...sourceOf(file).matchAll(/(\w+)(?:: | = )(\w+)\(/g)].map(([, as = '', of = '']) => [as, of]),
    ),
  );
  const actions = [...storesByFactory].flatMap(([factory, file]) => {
    const names = [...constructed].filter(([, made]) => made === factory).map(([as]) => as);
    const called = files.flatMap((each) =>
      methodsCalled(sourceOf(each), [...names, ...namesOfType(sourceOf(each), factory)]),
    );
    return actionsOf(file, factory, new Set(called), writtenKinds(files));
  });
  return [...new Set(actions)].sort();
}

/** `lineageStore` → its file. */
const storesByFactory = new Map(
  readdirSync(join(repositoryRoot, STORES)).flatMap((file) =>
    [...sourceOf(join(STORES, file)).matchAll(/^export function (\w+)\([\s\S]*?\n\}/gm)].flatMap(
      ([text, factory = '']): [string, string][] =>
        text.includes('client.send(') ? [[factory, join(STORES, file)]] : [],
    ),
  ),
);

/** Parameters and fields that are said to be this store: `lineage: LineageStore`, `models: Pick<ModelStore, 'readBaseline'>`. */
function namesOfType(source: string, factory: string): string[] {
  const type = `${factory[0]?.toUpperCase()}${factory.slice(1)}`;
  return [...source.matchAll(new RegExp(`(\\w+)\\??: (?:Pick<)?${type}\\b`, 'g'))].map(([, name = '']) => name);
}

const methodsCalled = (source: string, names: readonly string[]): string[] =>
  names.flatMap((name) =>
    [...source.matchAll(new RegExp(`\\b${name}\\??\\s*\\.(\\w+)`, 'g'))].map(([, method = '']) => method),
  );

/** @param called names of methods, of this store or of others */
function actionsOf(file: string, factory: string, called: ReadonlySet<string>, kinds: ReadonlySet<string>): string[] {
  const units = unitsOf(file);
  const reached = new Set<Unit>();
  const visit = (unit: Unit) => {
    if (reached.has(unit)) return;
    reached.add(unit);
    for (const other of units) if (new RegExp(`\\b${other.name}\\b`).test(unit.text)) visit(other);
  };
  const methods = units.filter((unit) => unit.name !== factory && called.has(unit.name));
  for (const unit of methods) visit(unit);
  return [...reached].flatMap((unit) => commandsOf(file, unit.text)).flatMap((command) => actionsOfOne(command, kinds));
}

/** Functions of the file and of the store's closure (indented by two), and the methods that it returns (by four). */
function unitsOf(file: string): Unit[] {
  const source = sourceOf(file);
  const starts = [
    ...source.matchAll(/^(?:export )?(?:async )?function (\w+)/gm),
    ...source.matchAll(/^ {2}(?:async )?function (\w+)/gm),
    ...source.matchAll(/^ {2}const (\w+) = (?:async )?\(/gm),
    ...[...source.matchAll(/^ {4}(?:async )?(\w+)(?=[<(:,])/gm)].filter(({ index }) => inReturned(source, index)),
  ].sort((a, b) => a.index - b.index);
  return starts.map((start, position) => ({
    name: start[1] ?? '',
    text: source.slice(start.index + start[0].length, starts[position + 1]?.index),
  }));
}

/** Between the `return {` of a store and its end. */
const inReturned = (source: string, index: number): boolean =>
  source.lastIndexOf('\n  return {\n', index) > source.lastIndexOf('\n  };\n', index);

/** Service in IAM, by client where the names differ. */
const services: Readonly<Record<string, string>> = {
  'sagemaker-runtime': 'sagemaker',
  eventbridge: 'events',
  'cloudwatch-logs': 'logs',
  storage: 's3',
};

function commandsOf(file: string, text: string): string[] {
  const imported = new Map(
    [...sourceOf(file).matchAll(/import \{([^}]*)\} from '@aws-sdk\/(?:client|lib)-([\w-]+)'/g)].flatMap(
      ([, names = '', client = '']) => names.split(',').map((name) => [name.trim(), client] as const),
    ),
  );
  const ofVersions = /\bVersionId:|\?versionId=/.test(text) ? ['s3:GetObjectVersion'] : [];
  const commands = [...text.matchAll(/new (\w+)(Command|Upload)\(/g)].map(([, name = '', kind = '']) => {
    const client = imported.get(`${name}${kind}`) ?? basename(file);
    return `${services[client] ?? client}:${kind === 'Upload' ? 'PutObject' : name}`;
  });
  return [...commands, ...ofVersions];
}

/** @param kinds of the writes of transactions that the function makes */
function actionsOfOne(command: string, kinds: ReadonlySet<string>): readonly string[] {
  if (command !== 'dynamodb:TransactWrite') return actionsOfCommand[command] ?? [command];
  // `case 'release':` and what it is turned into.
  const cases = sourceOf(join(STORES, 'lineage-writes.ts')).matchAll(
    /case '(\w+)':[^:]*?\b(Put|Update|Delete|ConditionCheck): \{/g,
  );
  return [...cases]
    .filter(([, kind = '']) => !rareKinds.has(kind) || kinds.has(kind))
    .flatMap(([, , made = '']) => actionsOfTransaction[made] ?? []);
}

/** Writes that need a permission of their own; every function that writes puts and updates. */
const rareKinds: ReadonlySet<string> = new Set(['absent', 'release']);

/** Kinds of writes that these files, and the helpers of stores that they import, spell out. */
function writtenKinds(files: readonly string[]): ReadonlySet<string> {
  const helpers = files.flatMap((file) =>
    [...sourceOf(file).matchAll(/from '((?:\.\.\/)+stores\/[\w-]+\.ts)'/g)].map(([, path = '']) =>
      importedBy(file, path),
    ),
  );
  const written = [...files, ...helpers].filter((file) => !file.endsWith('lineage-writes.ts'));
  return new Set(
    written.flatMap((file) => [...sourceOf(file).matchAll(/kind: '(\w+)'/g)].map(([, kind = '']) => kind)),
  );
}
