import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Sha256 } from '@aws-crypto/sha256-js';
import * as sdk from '@aws-sdk/client-sagemaker';
import {
  CreateModelPackageGroupCommand,
  CreateTrainingJobCommand,
  DescribeTrainingJobCommand,
  type SageMakerClient,
} from '@aws-sdk/client-sagemaker';
import { SignatureV4 } from '@smithy/signature-v4';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeContainment, findContainment } from '../../../local/sagemaker/container/containment.ts';
import { ServiceModel } from '../../../local/sagemaker/core/service-model.ts';
import { findServiceModel } from '../../../local/sagemaker/options.ts';
import { startSageMakerLocal } from '../../../local/sagemaker/start.ts';
import { pageHeaders, programHeaders, rawRequest } from '../support/raw-request.ts';
import { clientOf, eventually, Session, serverOptions } from './jobs/support/session.ts';

const rootKey = { accessKeyId: 'test', secretAccessKey: 'test' };
let session: Session;

beforeAll(async () => {
  session = await Session.start({ chaos: ['duplicate', 'reorder'] });
}, 60_000);

afterAll(() => session?.stop(), 60_000);

describe('the program', () => {
  let program: ChildProcess | undefined;
  let printed = '';

  afterAll(() => {
    program?.kill('SIGKILL');
  });

  test('killed and started again: what ended is known, what ran has failed and its process is gone', async () => {
    let client = await startProgram();
    const done = await session.request('done', 'pass');
    await client.send(new CreateTrainingJobCommand(done));
    await ended(client, 'done');
    await client.send(new CreateTrainingJobCommand(await session.request('cut-off', 'import time\ntime.sleep(300)')));
    await eventually(() => printed.includes('cut-off: process started'));
    expect(processesOf('cut-off')).not.toBe('');
    const exited = program ? once(program, 'exit') : undefined;
    program?.kill('SIGKILL');
    await exited;
    client = await startProgram();
    expect(await ended(client, 'cut-off')).toMatchObject({
      TrainingJobStatus: 'Failed',
      FailureReason: expect.stringMatching(/^InternalServerError: /),
    });
    await eventually(() => processesOf('cut-off') === '');
    expect(await ended(client, 'done')).toMatchObject({ TrainingJobStatus: 'Completed' });
    await expect(client.send(new CreateTrainingJobCommand(done))).rejects.toMatchObject({ name: 'ResourceInUse' });
    const stopped = program ? once(program, 'exit') : Promise.resolve([]);
    program?.kill('SIGTERM');
    expect(await stopped).toEqual([0, null]);
  });

  test('a wrong option is told', () => {
    const run = (...args: string[]) => {
      try {
        return execFileSync(process.execPath, ['local/sagemaker/main.ts', ...args], { stdio: 'pipe' }).toString();
      } catch (error) {
        return error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
      }
    };
    expect(run('--chaos', 'explode')).toContain("--chaos: got 'explode', expected one or more of duplicate");
    expect(run('--port', 'many')).toContain("--port: got 'many'");
    expect(run('--help')).toContain('--no-auth');
  });

  /** On the state folder of its own, `program`. */
  async function startProgram(): Promise<SageMakerClient> {
    const { images, secretFile } = serverOptions(session.cloud);
    printed = '';
    program = spawn(process.execPath, [
      'local/sagemaker/main.ts',
      ...['--port', '0', '--cloud', session.cloud.url, '--images', ...images, '--secret', secretFile],
      ...['--state', resolve(session.cloud.folder, 'program')],
    ]);
    program.stdout?.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
    });
    await eventually(() => printed.includes('listens on'));
    return clientOf(/listens on (\S+)/.exec(printed)?.[1] ?? '');
  }
});

test('containers have their own /opt/ml where the kernel lets them, and it is told what they have', async () => {
  const health = await (await fetch(`${session.server.url}/_flywheel/health`)).json();
  const has = describeContainment(await findContainment(resolve('.flywheel/venv/cloud/bin/python')));
  expect(health).toMatchObject({ containers: has });
  expect(session.log).toContain(`Containers: ${has}.`);
});

test('without namespaces a job runs as before, and the reason is told', async () => {
  const log: string[] = [];
  const state = resolve(session.cloud.folder, 'plain');
  const options = { ...serverOptions(session.cloud), state, namespaces: false };
  const server = await startSageMakerLocal(options, (line) => log.push(line));
  const client = clientOf(server.url);
  const script = `
import os
assert not os.path.exists("/opt/ml")
open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write("saved")`;
  await client.send(
    new CreateTrainingJobCommand(await session.request('plain', script, { EnableNetworkIsolation: false })),
  );
  expect(await ended(client, 'plain')).toMatchObject({ TrainingJobStatus: 'Completed' });
  expect(log.join('\n')).toContain('Containers: plain processes (the server was started with --no-namespaces)');
  await server.close();
});

test('told to duplicate and reorder, the server sends each event twice and loses none', async () => {
  await session.cloud.events();
  await session.train('chaos', 'pass');
  const events: Awaited<ReturnType<typeof session.cloud.events>> = [];
  await eventually(async () => {
    events.push(...(await session.cloud.events()).filter(({ detail }) => detail.TrainingJobName === 'chaos'));
    return events.length >= 10;
  });
  const counts = Map.groupBy(events, ({ detail }) => String(detail.SecondaryStatus));
  expect([...counts].map(([status, copies]) => [status, copies.length]).toSorted()).toEqual(
    ['Completed', 'Downloading', 'Starting', 'Training', 'Uploading'].map((status) => [status, 2]),
  );
});

describe('requests', () => {
  const call = async (target: string | undefined, body = '{}', path = '/') => {
    const answer = await fetch(session.server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/x-amz-json-1.1', ...(target ? { 'x-amz-target': target } : {}) },
      body,
    });
    return { status: answer.status, body: await answer.json() };
  };

  test('an operation that SageMaker has not', async () => {
    expect(await call('SageMaker.MakeCoffee')).toMatchObject({ body: { __type: 'UnknownOperationException' } });
    expect(await call(undefined)).toMatchObject({ body: { __type: 'UnknownOperationException' } });
  });

  test('an operation that is newer than the service model says which model does not know it', async () => {
    const { version } = botocore();
    expect((await call('SageMaker.CreateSomethingNew')).body).toHaveProperty(
      'Message',
      `SageMaker has no operation 'SageMaker.CreateSomethingNew'. It is not in the service model of botocore ${version}; a newer one knows more.`,
    );
  });

  test('the service model knows every operation of the SDK that this repository pins', () => {
    const model = ServiceModel.read(findServiceModel());
    const commands = Object.keys(sdk).filter((name) => /^[A-Z].*Command$/.test(name) && !name.startsWith('$'));
    expect(commands.length).toBeGreaterThan(300);
    expect(commands.map((name) => name.replace(/Command$/, '')).filter((name) => !model.hasOperation(name))).toEqual(
      [],
    );
  });

  test('a member that is null was left out', async () => {
    const body = { ModelPackageGroupName: 'nulls', ModelPackageGroupDescription: null, Tags: null };
    const signed = await sign('SageMaker.CreateModelPackageGroup', JSON.stringify(body), 'sagemaker');
    expect(await signed.json()).toEqual({ ModelPackageGroupArn: expect.stringMatching(/group\/nulls$/) });
  });

  test('a signature for another service is refused', async () => {
    const signed = await sign('SageMaker.ListTrainingJobs', '{}', 's3');
    expect(signed.status).toBe(403);
    expect(await signed.json()).toMatchObject({
      __type: 'InvalidSignatureException',
      Message: "Credential should be scoped to correct service: 'sagemaker'.",
    });
  });

  test('a body that is too large is refused, and the server goes on', async () => {
    const answer = await call('SageMaker.ListTrainingJobs', ' '.repeat(33 * 1024 * 1024));
    expect(answer).toMatchObject({ status: 413, body: { __type: 'RequestEntityTooLargeException' } });
    expect((await fetch(`${session.server.url}/_flywheel/health`)).status).toBe(200);
  });

  test('an operation that SageMaker local has not is named', async () => {
    const client = clientOf(session.server.url);
    const { CreateHubCommand } = await import('@aws-sdk/client-sagemaker');
    await expect(client.send(new CreateHubCommand({ HubName: 'h', HubDescription: 'd' }))).rejects.toMatchObject({
      name: 'NotImplementedByFlywheelLocal',
      message: 'CreateHub is an operation of SageMaker that SageMaker local does not implement.',
    });
  });

  test('a request without a signature', async () => {
    expect(await call('SageMaker.ListTrainingJobs')).toMatchObject({
      status: 403,
      body: { __type: 'MissingAuthenticationTokenException' },
    });
  });

  describe.each(Object.entries(pageHeaders))('of a page with %s', (_what, headers) => {
    test.each(['/', '/_flywheel/health', '/endpoints/e/invocations'])('is refused at %s', async (path) => {
      const answer = await rawRequest(session.server.url, path, { method: 'POST', headers, body: '{}' });
      expect(answer).toMatchObject({ status: 403, body: expect.stringContaining('programs on this machine only') });
    });

    test('is refused with a signature of the root user, too', async () => {
      const signed = await signedFor(headers.host ?? new URL(session.server.url).host);
      expect(
        await rawRequest(session.server.url, '/', { ...signed, headers: { ...signed.headers, ...headers } }),
      ).toEqual({
        status: 403,
        body: expect.stringContaining('programs on this machine only'),
      });
    });
  });

  test('a preflight gets no leave', async () => {
    const answer = await rawRequest(session.server.url, '/', { method: 'OPTIONS' });
    expect(answer).toMatchObject({ status: 403, body: expect.stringContaining('programs on this machine only') });
  });

  test.each(programHeaders)('a program is answered: %o', async (headers) => {
    expect(await rawRequest(session.server.url, '/_flywheel/health', { headers })).toMatchObject({ status: 200 });
    const signed = await signedFor(headers.host ?? new URL(session.server.url).host);
    const answer = await rawRequest(session.server.url, '/', { ...signed, headers: { ...signed.headers, ...headers } });
    expect(answer).toMatchObject({ status: 200 });
  });
});

test('without authorization it answers with no cloud around it', async () => {
  const messages: string[] = [];
  const state = join(session.cloud.folder, 'alone');
  const options = { ...serverOptions(session.cloud), cloud: 'http://127.0.0.1:1', state, enforceAccess: false };
  const server = await startSageMakerLocal(options, (message) => messages.push(message));
  const client = clientOf(server.url, { accessKeyId: '123456789012', secretAccessKey: 'any' });
  const { ModelPackageGroupArn } = await client.send(
    new CreateModelPackageGroupCommand({ ModelPackageGroupName: 'g' }),
  );
  expect(ModelPackageGroupArn).toBe('arn:aws:sagemaker:us-east-1:123456789012:model-package-group/g');
  await server.close();
});

test('boto3 trains, waits, pages, and gets the same errors', async () => {
  const python = resolve('.flywheel/venv/cloud/bin/python');
  const script = join(import.meta.dirname, 'support/boto3_client.py');
  const { stdout } = await promisify(execFile)(python, [script, session.cloud.url, session.server.url]);
  expect(JSON.parse(stdout)).toEqual({
    status: 'Completed',
    model: { rows: 2 },
    metrics: { rows: 2 },
    names: ['boto3-0', 'boto3-1', 'boto3-2'],
    duplicate: 'ResourceInUse',
    missing: ['ValidationException', 'Requested resource not found.'],
    invalid: ['ValidationException', expect.stringContaining("Value 'bad_name' at 'trainingJobName'")],
    tags: [{ Key: 'a', Value: 'b' }],
    package: [1, 'PendingManualApproval'],
    failedWaiter: 'WaiterError',
  });
});

/** Processes of a job, found by their environment: in namespaces of their own, neither their words nor their folder tell. */
function processesOf(jobName: string): string {
  const all = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' });
  return all
    .split('\n')
    .filter((line) => /-m train\b/.test(line))
    .filter((line) => {
      const environment = environmentOf(line.trim().split(' ')[0] ?? '').split('\0');
      return [`TRAINING_JOB_NAME=${jobName}`, `AWS_ENDPOINT_URL=${session.cloud.url}`].every((one) =>
        environment.includes(one),
      );
    })
    .join('\n');
}

/** A request signed with the root's key for a service. */
async function sign(target: string, body: string, service: string): Promise<Response> {
  const url = new URL(session.server.url);
  return fetch(url, await signedRequest(url.host, target, body, service));
}

function signedFor(host: string) {
  return signedRequest(host, 'SageMaker.ListTrainingJobs', '{}', 'sagemaker');
}

async function signedRequest(host: string, target: string, body: string, service: string) {
  const signer = new SignatureV4({ service, region: 'us-east-1', credentials: rootKey, sha256: Sha256 });
  const headers = { host, 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target };
  const request = { method: 'POST', protocol: 'http:', hostname: '127.0.0.1', path: '/', headers, body };
  return { method: 'POST', headers: (await signer.sign(request)).headers, body };
}

function botocore(): { readonly version: string } {
  const python = resolve('.flywheel/venv/cloud/bin/python');
  const print = 'import botocore; print(botocore.__version__)';
  return { version: execFileSync(python, ['-c', print], { encoding: 'utf8' }).trim() };
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    // The process has ended since.
    return '';
  }
}

async function ended(client: SageMakerClient, name: string) {
  const job = () => client.send(new DescribeTrainingJobCommand({ TrainingJobName: name }));
  await eventually(async () => ['Completed', 'Failed', 'Stopped'].includes((await job()).TrainingJobStatus ?? ''));
  return job();
}
