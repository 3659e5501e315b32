/** The whole product, deployed by the real CDK to a laptop cloud of its own, and what a test asks of it. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { type Api, connectApi } from '../../cli/api.ts';
import { connect, type StackOutputs } from '../../cli/connection.ts';
import { readJournal, waitForEntry } from '../../cli/journal.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { deployToCloud, startCloud, stopCloud } from '../../local/cloud.ts';
import { PROJECT } from './trial.ts';

export interface Deployed {
  readonly outputs: StackOutputs;
  readonly lineage: LineageStore;
  readonly api: Api;
  upload(key: string, body: Uint8Array | string): Promise<void>;
  /** The first event of a type from a time on whose detail has these fields; fails with the journal when none comes. */
  event(
    type: string,
    detail?: Readonly<Record<string, unknown>>,
    timeoutMs?: number,
  ): Promise<Readonly<Record<string, unknown>>>;
  events(): Promise<string[]>;
  stop(): Promise<void>;
}

export async function deployed(name: string): Promise<Deployed> {
  const directory = join(import.meta.dirname, '../../.flywheel/test', `${name}-${process.pid}`);
  const cloud = await startCloud({ directory, ports: { cloud: 0, sagemaker: 0 } });
  await deployToCloud(cloud, { stacks: ['local/**'], app: 'node test/e2e/app.ts' });
  process.env.FLYWHEEL_LOCAL = directory;
  const { outputs } = await connect('local');
  const lineage = lineageStore(outputs.LineageTable);
  const s3 = new S3Client({});
  const journal = () => readJournal(lineage, PROJECT, '2000');
  return {
    outputs,
    lineage,
    api: connectApi(outputs.ApiUrl),
    async upload(key, body) {
      await s3.send(new PutObjectCommand({ Bucket: outputs.RawBucket, Key: `${PROJECT}/${key}`, Body: body }));
    },
    async event(type, detail = {}, timeoutMs = 60_000) {
      const matches = (entry: { type: string; detail: Readonly<Record<string, unknown>> }) =>
        entry.type === type && Object.entries(detail).every(([field, value]) => entry.detail[field] === value);
      const entry = await waitForEntry(lineage, PROJECT, { since: '2000', timeoutMs }, matches);
      if (entry) return entry.detail;
      const seen = (await journal()).map((each) => `${each.type} ${JSON.stringify(each.detail)}`);
      throw new Error(
        `no ${type} ${JSON.stringify(detail)} within ${timeoutMs} ms; the journal has:\n${seen.join('\n')}`,
      );
    },
    events: async () => (await journal()).map((each) => each.type),
    async stop() {
      await stopCloud({ directory });
      if (!process.env.FLYWHEEL_KEEP) rmSync(directory, { recursive: true, force: true });
    },
  };
}
