/** The whole product, deployed by the real CDK to a laptop cloud of its own, and what a test asks of it. */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { type Api, connectApi } from '../../cli/api.ts';
import { connect, type StackOutputs } from '../../cli/connection.ts';
import { readJournal, waitForEntry } from '../../cli/journal.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { repository } from '../../local/cloud/layout.ts';
import { deployToCloud, startCloud, stopCloud } from '../../local/cloud.ts';

export interface Deployed {
  /** Folder of the laptop cloud. */
  readonly directory: string;
  readonly sagemakerUrl: string;
  readonly outputs: StackOutputs;
  readonly lineage: LineageStore;
  readonly api: Api;
  project(name: string): DeployedProject;
  /** What a command of the command line prints; it runs as a process of its own. Fails with its words when it fails. */
  flywheel(...words: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** Fields of an event's detail, or some of them. */
type Detail = Readonly<Record<string, unknown>>;

export interface DeployedProject {
  readonly name: string;
  upload(key: string, body: Uint8Array | string): Promise<void>;
  /** The first event of a type whose detail has these fields; fails with the journal when none comes. */
  event(type: string, detail?: Detail, timeoutMs?: number): Promise<Detail>;
  /** Types of all events so far, in their order. */
  events(): Promise<string[]>;
}

/**
 * @param name of the cloud's folder
 * @param configuration module in this folder
 * @param prepare called with the cloud's folder before the cloud starts
 */
export async function deployed(
  name: string,
  configuration: string,
  prepare: (directory: string) => void = () => {},
): Promise<Deployed> {
  const directory = join(repository, '.flywheel/test', `${name}-${process.pid}`);
  prepare(directory);
  // Who asks the command line's modules in this process, or a command of its own, means this installation.
  process.env.FLYWHEEL_LOCAL = directory;
  process.env.FLYWHEEL_CONFIG = join(import.meta.dirname, configuration);
  const cloud = await startCloud({ directory, ports: { cloud: 0, sagemaker: 0 } });
  await deployToCloud(cloud, { stacks: ['local/**'] });
  const { outputs } = await connect('local');
  const lineage = lineageStore(outputs.LineageTable);
  return {
    directory,
    sagemakerUrl: cloud.sagemakerUrl,
    outputs,
    lineage,
    api: connectApi(outputs.ApiUrl),
    project: (project) => deployedProject(project, outputs, lineage),
    flywheel: runCommand,
    async stop() {
      await stopCloud({ directory });
      if (!process.env.FLYWHEEL_KEEP) rmSync(directory, { recursive: true, force: true });
    },
  };
}

function deployedProject(name: string, outputs: StackOutputs, lineage: LineageStore): DeployedProject {
  const s3 = new S3Client({});
  const journal = () => readJournal(lineage, name, '2000');
  return {
    name,
    async upload(key, body) {
      await s3.send(new PutObjectCommand({ Bucket: outputs.RawBucket, Key: `${name}/${key}`, Body: body }));
    },
    async event(type, detail = {}, timeoutMs = 60_000) {
      const matches = (entry: { type: string; detail: Detail }) =>
        entry.type === type && Object.entries(detail).every(([field, value]) => entry.detail[field] === value);
      const entry = await waitForEntry(lineage, name, { since: '2000', timeoutMs }, matches);
      if (entry) return entry.detail;
      const seen = (await journal()).map((each) => `${each.type} ${JSON.stringify(each.detail)}`);
      throw new Error(
        `no ${type} ${JSON.stringify(detail)} within ${timeoutMs} ms; the journal of ${name} has:\n${seen.join('\n')}`,
      );
    },
    events: async () => (await journal()).map((each) => each.type),
  };
}

async function runCommand(...words: string[]): Promise<string> {
  const child = spawn(process.execPath, [join(repository, 'cli/main.ts'), ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  const [code, output, errors] = await Promise.all([exit, text(child.stdout), text(child.stderr)]);
  if (code === 0) return output;
  throw new Error(`flywheel ${words.join(' ')} ended with exit code ${code}:\n${output}${errors}`);
}
