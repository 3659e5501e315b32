/** What `register-dataset-version` works on, all real: buckets, key, table and bus; and S3's event of an object. */
import { GetObjectCommand, PutObjectCommand, type PutObjectCommandInput, S3Client } from '@aws-sdk/client-s3';
import type { ProjectSettings } from '../../lambdas/contract/settings.ts';
import { type RejectionReport, rejectionReport } from '../../lambdas/domain/dataset/report.ts';
import { registerDatasetVersion } from '../../lambdas/handlers/register-dataset-version.ts';
import { datasetStore } from '../../lambdas/stores/dataset-store.ts';
import { eventPublisher } from '../../lambdas/stores/event-publisher.ts';
import { lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { handlerContext } from './context.ts';
import { environmentSettings, projectSettings } from './project.ts';
import { createBus, createKey, createLineageTable, createVersionedBucket, type ReceivedEvent } from './services.ts';

/** The account that S3 names in its events. */
export const ACCOUNT = '111122223333';

type Created = Parameters<typeof registerDatasetVersion>[0];
type Services = Parameters<typeof registerDatasetVersion>[1]['services'];
type Change = Partial<Services> & { readonly data?: Partial<ProjectSettings['data']> };
export type UploadBench = Awaited<ReturnType<typeof uploadBench>>;

/** One good row, as a file of the project of the tests. */
export const csvOf = (id: string): string => `id,delay,carrier,late\n${id},5,UA,true\n`;

export async function uploadBench() {
  const [table, bus, keyArn, rawBucket, datasetBucket] = await Promise.all([
    createLineageTable(),
    createBus(),
    createKey(),
    createVersionedBucket('raw'),
    createVersionedBucket('data'),
  ]);
  const s3 = new S3Client({});
  const services = {
    lineage: lineageStore(table),
    events: eventPublisher(bus.name),
    datasets: datasetStore({ rawBucket, datasetBucket, keyArn }),
  };
  const created = (key: string, version?: string): Created => ({
    type: 'Object Created',
    detail: { bucket: { name: rawBucket }, object: { key, 'version-id': version }, requester: ACCOUNT },
  });
  return {
    ...services,
    bus,
    datasetBucket,
    /** S3's event of an object in the raw bucket. */
    created,
    /** Puts an object into the raw bucket and returns S3's event. */
    async put(key: string, Body: string | Buffer, more: Partial<PutObjectCommandInput> = {}): Promise<Created> {
      const { VersionId } = await s3.send(new PutObjectCommand({ Bucket: rawBucket, Key: key, Body, ...more }));
      return created(key, VersionId);
    },
    /** Handles S3's event, with other services or other settings of the data where the test says so. */
    handle(event: Created, { data, ...changed }: Change = {}): Promise<void> {
      const settings = environmentSettings([projectSettings({ data: { ...projectSettings().data, ...data } })]);
      return registerDatasetVersion(event, handlerContext({ ...services, ...changed }, { settings }));
    },
    /** The report of a rejection that was published. */
    async reportOf(event: ReceivedEvent | undefined): Promise<RejectionReport> {
      const Key = String(event?.detail.report);
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: datasetBucket, Key }));
      return rejectionReport.parse(JSON.parse((await Body?.transformToString()) ?? ''));
    },
  };
}

/** Of what S3's event names: the local id of the upload's node. */
export const uploadOf = ({ detail: { object } }: Created): string => `${object.key}@${object['version-id']}`;
