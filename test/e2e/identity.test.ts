/** Who asked and who approved is what AWS says, and an event that nobody of ours may send does not reach the bus. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { GetBucketEncryptionCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Api, connectApi, demand } from '../../cli/api.ts';
import { send } from '../../cli/commands/upload.ts';
import { createOutput } from '../../cli/output.ts';
import { peekDeadLetters, peekUnansweredRequests } from '../../cli/queues.ts';
import { stackOutputs } from '../../cli/stacks.ts';
import { projectStatus, ringingAlarms } from '../../cli/status.ts';
import { routes } from '../../lambdas/contract/http.ts';
import { itemKey } from '../../lambdas/contract/keys.ts';
import { lineageStore } from '../../lambdas/stores/lineage-store.ts';
import { stackNames } from '../../lib/stack-names.ts';
import { repository } from '../../local/cloud/layout.ts';
import { type Credentials, sessionOfNewRole } from '../support/sessions.ts';
import { type Deployed, type DeployedProject, deployed } from './deployed.ts';
import { LOOP_MS, WAIT } from './observed.ts';
import { functionSession, publish } from './publishing.ts';
import { trialCsv } from './trial.ts';

const ACCOUNT = '000000000000';
const PROJECT = 'reviewed';

let flywheel: Deployed;
let project: DeployedProject;
beforeAll(async () => {
  flywheel = await deployed('identity', 'faults.config.ts');
  project = flywheel.project(PROJECT);
  await project.upload('first.csv.gz', trialCsv({ from: 0, rows: 2000 }));
  await project.event('ApprovalRequested', { model: 1 }, LOOP_MS);
});
afterAll(async () => {
  await flywheel.stop();
});

/** A person's session in a role that may do one thing. */
const person = (role: string, session: string, Action: string, Resource: string | readonly string[]) =>
  sessionOfNewRole(role, session, { Action, Resource });

const sessionOfFunction = (handler: string) => functionSession(flywheel, handler);
const put = (detailType: string, detail: object, credentials?: Credentials) =>
  publish(flywheel, detailType, { project: PROJECT, ...detail }, credentials);
const forged = {
  model: 1,
  decision: 'approve',
  decidedBy: 'arn:aws:iam::000000000000:user/chief',
  reason: 'trust me',
  demandId: 'forged',
};
const denied = /AccessDenied|not authorized/i;

describe('an approval on the bus', () => {
  it('is refused from an administrator of events and from the root user', async () => {
    const administrator = await person('events-admin', 'eve', 'events:*', '*');
    await expect(put('ApprovalGiven', forged, administrator)).rejects.toThrow(denied);
    await expect(put('ApprovalGiven', forged)).rejects.toThrow(denied);
  });

  it('is refused from a function that publishes, but other events, and from one that publishes none', async () => {
    const evaluating = await sessionOfFunction('start-evaluation');
    const started = { model: 99, champion: null, jobName: 'probe' };
    await put('EvaluationStarted', started, evaluating);
    await project.event('EvaluationStarted', { model: 99 });
    await expect(put('ApprovalGiven', forged, evaluating)).rejects.toThrow(denied);
    await expect(put('ModelApproved', { ...forged, reasons: [] }, evaluating)).rejects.toThrow(denied);
    await expect(put('ApprovalGiven', forged, await sessionOfFunction('predict'))).rejects.toThrow(denied);
  });

  it('does nothing in a function that is called past the bus, as a redrive calls it', async () => {
    const detail = { project: PROJECT, at: new Date().toISOString(), ...forged };
    const event = { id: 'by hand', source: 'flywheel', 'detail-type': 'ApprovalGiven', detail };
    const FunctionName = flywheel.outputs.Functions['judge-candidate'];
    const answer = await new LambdaClient({}).send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(event) }));
    expect(answer.FunctionError).toBeUndefined();
    expect(await flywheel.lineage.get('decision', PROJECT, '1-approval')).toBeUndefined();
  });

  it('has left no trace: the model waits', async () => {
    expect(await project.events()).not.toContain('ApprovalGiven');
    expect((await flywheel.lineage.require('model', PROJECT, 1)).status).toBe('awaiting-approval');
  });
});

describe('a function that is taken over', () => {
  /** The store as the function itself would have it. */
  const storeOf = async (handler: string) => {
    const client = DynamoDBDocumentClient.from(new DynamoDBClient({ credentials: await sessionOfFunction(handler) }));
    return lineageStore(flywheel.outputs.LineageTable, client);
  };
  const at = '2026-11-24T12:00:00.000Z';
  const decision = { model: 1, decision: 'approve', decidedBy: 'gate', reasons: ['trust me'], at };
  const decided = {
    kind: 'create',
    type: 'decision',
    project: PROJECT,
    local: '1-approval',
    record: decision,
  } as const;
  const upload = { kind: 'mention', id: `upload/${PROJECT}/by-hand`, at } as const;

  it('that reads uploads can write what it finds, and neither decide nor approve nor demand', async () => {
    const register = await storeOf('register-dataset-version');
    expect(await register.write([upload])).toEqual({ written: true });
    await expect(register.write([decided])).rejects.toThrow(denied);
    await expect(register.write([upload, decided])).rejects.toThrow(denied);
    const approved = { status: 'approved' };
    await expect(
      register.write([{ kind: 'update', id: `model/${PROJECT}/1`, set: approved, expect: { model: [1] } }]),
    ).rejects.toThrow(denied);
    const demanded = itemKey.demand('ApprovalGiven', PROJECT, 'forged');
    await expect(register.once(demanded, { detail: { ...forged, project: PROJECT, at } })).rejects.toThrow(denied);
    await expect(register.write([{ kind: 'release', key: itemKey.node(`model/${PROJECT}/1`) }])).rejects.toThrow(
      denied,
    );
  });

  it('that starts evaluations cannot decide', async () => {
    await expect((await storeOf('start-evaluation')).write([decided])).rejects.toThrow(denied);
  });

  it('has left no trace', async () => {
    expect((await flywheel.lineage.require('model', PROJECT, 1)).status).toBe('awaiting-approval');
    expect(await flywheel.lineage.get('decision', PROJECT, '1-approval')).toBeUndefined();
  });
});

describe('the API', () => {
  const decision = { decision: 'approve', reason: 'seen the report' } as const;
  const version = { project: PROJECT, model: '1' };
  const resources = (...paths: readonly string[]) =>
    paths.map((path) => `arn:aws:execute-api:us-east-1:${ACCOUNT}:*/$default/${path}`);
  const apiOf = (credentials: Credentials): Api => connectApi(flywheel.outputs.ApiUrl, credentials);

  it('lets an application predict, and not decide', async () => {
    const paths = resources(`POST/projects/${PROJECT}/predictions`, `GET/projects/${PROJECT}`);
    const application = apiOf(await person('application', 'shop', 'execute-api:Invoke', paths));
    expect((await application.request(routes.describe, PROJECT)).status).toBe(200);
    await expect(demand(application, routes.decide, version, decision)).rejects.toThrow('answered 403');
    await expect(demand(application, routes.requestTraining, PROJECT, { reason: 'x' })).rejects.toThrow('answered 403');
  });

  it('keeps an approver of another project out', async () => {
    const paths = resources('POST/projects/steady/models/*/decisions');
    const other = apiOf(await person('other-approver', 'bob', 'execute-api:Invoke', paths));
    await expect(demand(other, routes.decide, version, decision)).rejects.toThrow('answered 403');
  });

  it("records an approver's decision under the ARN of the session", async () => {
    const paths = resources(`POST/projects/${PROJECT}/models/*/decisions`);
    const approver = apiOf(await person('approver', 'ada', 'execute-api:Invoke', paths));
    const ada = `arn:aws:sts::${ACCOUNT}:assumed-role/approver/ada`;
    const { demandId, requestedBy } = await demand(approver, routes.decide, version, decision);
    expect(requestedBy).toBe(ada);
    await project.event('ModelApproved', { model: 1, decidedBy: ada }, LOOP_MS);
    expect(await flywheel.lineage.require('decision', PROJECT, '1-approval')).toMatchObject({
      decidedBy: ada,
      demandId,
    });
    await project.event('ModelDeployed', { model: 1 }, LOOP_MS);
  });

  it('attributes the upload to the account, by the record of S3', async () => {
    const [version1] = await flywheel.lineage.newest('dataset-version', PROJECT, 1);
    expect(version1?.uploads).toEqual([`${PROJECT}/first.csv.gz`]);
    const { agents } = await uploaders();
    expect(agents).toEqual([`agent/${PROJECT}/${ACCOUNT}`]);
  });
});

async function uploaders() {
  const { lineage } = flywheel;
  const objects = (await lineage.edgesFrom(`dataset-version/${PROJECT}/1`)).map((edge) => edge.to);
  const uploads = (await Promise.all(objects.map((id) => lineage.edgesFrom(id)))).flat().map((edge) => edge.to);
  const edges = (await Promise.all(uploads.map((id) => lineage.edgesFrom(id)))).flat();
  return { agents: edges.filter((edge) => edge.relation === 'wasAttributedTo').map((edge) => edge.to) };
}

describe('who has no more than the README says', () => {
  /** Actions in the rows of its table that begin with this word, and in those that go on from them. */
  function actionsOf(who: string): string[] {
    const [, table = ''] = readFileSync(join(repository, 'README.md'), 'utf8').split('| who | actions | on |');
    const rows = (table.split('\n\n')[0] ?? '').split('\n').map((row) => row.split(' | '));
    const first = rows.findIndex(([name = '']) => name.startsWith(`| ${who}`));
    const end = rows.findIndex(([name = ''], index) => index > first && name !== '|');
    const cells = rows.slice(first, end < 0 ? undefined : end).map(([, actions = '']) => actions);
    return [...cells.join().matchAll(/`([a-z0-9]+:[A-Za-z]+)`/g)].flatMap(([, action]) => action ?? []);
  }

  async function become(role: string, ...who: readonly string[]): Promise<void> {
    const { RawBucket, LineageTable, DeadLetterQueues, UnansweredRequestsQueue } = flywheel.outputs;
    const encryption = await new S3Client({}).send(new GetBucketEncryptionCommand({ Bucket: RawBucket }));
    const [rule] = encryption.ServerSideEncryptionConfiguration?.Rules ?? [];
    const arn = (service: string, resource: string) => `arn:aws:${service}:us-east-1:${ACCOUNT}:${resource}`;
    const queues = [...Object.values(DeadLetterQueues), UnansweredRequestsQueue];
    const table = arn('dynamodb', `table/${LineageTable}`);
    const resources: Readonly<Record<string, string | readonly string[]>> = {
      s3: `arn:aws:s3:::${RawBucket}/${PROJECT}/*`,
      kms: rule?.ApplyServerSideEncryptionByDefault?.KMSMasterKeyID ?? '',
      cloudformation: stackNames('local').map((name) => arn('cloudformation', `stack/${name}/*`)),
      dynamodb: [table, `${table}/index/*`],
      sqs: queues.map((url) => arn('sqs', url.split('/').at(-1) ?? '')),
      cloudwatch: '*',
    };
    const may = who
      .flatMap(actionsOf)
      .map((Action) => ({ Action, Resource: resources[Action.split(':')[0] ?? ''] ?? [] }));
    expect(may.length).toBeGreaterThan(2);
    const { accessKeyId, secretAccessKey, sessionToken } = await sessionOfNewRole(role, 'test', ...may);
    vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
    vi.stubEnv('AWS_SESSION_TOKEN', sessionToken);
  }
  afterEach(() => void vi.unstubAllEnvs());

  it('uploads small files and large ones, and reads none of them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'flywheel-upload-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    await become('uploader', 'an uploader');
    const output = createOutput(true);
    for (const [name, size] of Object.entries({ small: 100, large: 20_000_000 })) {
      writeFileSync(join(folder, name), Buffer.alloc(size, 'x'));
      const stored = await send({ ...flywheel, output }, join(folder, name), `${PROJECT}/${name}.csv`, size);
      expect(stored).toMatchObject({ bytes: size, versionId: expect.any(String) });
    }
    const Bucket = flywheel.outputs.RawBucket;
    const get = new GetObjectCommand({ Bucket, Key: `${PROJECT}/small.csv` });
    await expect(new S3Client({}).send(get)).rejects.toThrow(denied);
  });

  it('reads the status with what waits and why, and no other stack', async () => {
    const { LineageTable, DeadLetterQueues, UnansweredRequestsQueue } = flywheel.outputs;
    await put('ModelEvaluated', { model: 'no number' }, await sessionOfFunction('finish-evaluation'));
    const letter = { handler: 'judge-candidate', waiting: 1, reasons: [expect.stringContaining('model')] };
    await vi.waitFor(async () => expect(await peekDeadLetters(DeadLetterQueues)).toContainEqual(letter), WAIT);

    await become('reader', 'every command', '`flywheel status`');
    for (const name of stackNames('local')) expect(await stackOutputs(name)).toBeDefined();
    await expect(stackOutputs('website')).rejects.toThrow(denied);
    expect(await projectStatus(lineageStore(LineageTable), PROJECT)).toMatchObject({ state: { champion: 1 } });
    expect(await peekDeadLetters(DeadLetterQueues)).toContainEqual(letter);
    expect(await peekUnansweredRequests(UnansweredRequestsQueue)).toEqual({ waiting: 0, requests: [] });
    expect(await ringingAlarms('local')).toEqual(expect.any(Array));
  });
});
