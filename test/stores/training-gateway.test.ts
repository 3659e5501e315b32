/** What the platform does when SageMaker refuses a part of a request. Answers that SageMaker local has no reason to give. */
import { createServer, type Server } from 'node:http';
import { text } from 'node:stream/consumers';
import { type CreateTrainingJobCommandInput, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { afterEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { failureKind } from '../../lambdas/domain/jobs.ts';
import { trainingGateway } from '../../lambdas/stores/training-gateway.ts';

const sent = z.looseObject({ AlgorithmSpecification: z.looseObject({ ContainerEntrypoint: z.unknown().optional() }) });
type Sent = z.infer<typeof sent>;

const request: CreateTrainingJobCommandInput = {
  TrainingJobName: 'job',
  RoleArn: 'arn:aws:iam::000000000000:role/training',
  AlgorithmSpecification: {
    TrainingImage: '683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0',
    TrainingInputMode: 'File',
    ContainerEntrypoint: ['bash', '-c', 'exec python3 train.py'],
  },
  HyperParameters: { sagemaker_program: 'train.py' },
  OutputDataConfig: { S3OutputPath: 's3://models/runs' },
};

describe('createTrainingJob', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  /** A gateway to a service that refuses what this function finds wrong, and the requests that it got. */
  async function gatewayTo(refusal: (request: Sent) => string | undefined) {
    const requests: Sent[] = [];
    server = createServer(async (incoming, answer) => {
      const body = sent.parse(JSON.parse(await text(incoming)));
      requests.push(body);
      const message = refusal(body);
      answer.writeHead(message === undefined ? 200 : 400, { 'content-type': 'application/x-amz-json-1.1' });
      answer.end(
        JSON.stringify(message === undefined ? { TrainingJobArn: 'arn' } : { __type: 'ValidationException', message }),
      );
    });
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const client = new SageMakerClient({
      endpoint: `http://127.0.0.1:${port}`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    });
    return { gateway: trainingGateway(client), requests };
  }

  it('asks again in script mode when the entrypoint is refused', async () => {
    const { gateway, requests } = await gatewayTo(({ AlgorithmSpecification: algorithm }) =>
      algorithm.ContainerEntrypoint ? "You can't specify ContainerEntrypoint for this image." : undefined,
    );
    expect(await gateway.createTrainingJob(request)).toEqual({ outcome: 'created' });
    expect(requests.map((each) => each.AlgorithmSpecification.ContainerEntrypoint !== undefined)).toEqual([
      true,
      false,
    ]);
    expect(requests[1]).toMatchObject({ HyperParameters: { sagemaker_program: 'train.py' } });
  });

  it('does not when anything else is', async () => {
    const { gateway, requests } = await gatewayTo(
      () => 'Could not assume role arn:aws:iam::000000000000:role/training',
    );
    await expect(gateway.createTrainingJob(request)).rejects.toThrow('Could not assume role');
    expect(requests).toHaveLength(1);
  });
});

describe('trainingJobEnd', () => {
  const MINUTE = 60_000;
  const ended = (transitions: readonly { Status: string; StartTime: Date; EndTime: Date }[]) => {
    const client = new SageMakerClient({
      region: 'us-east-1',
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    });
    client.middlewareStack.add(
      () => async () => ({
        response: {},
        output: {
          $metadata: {},
          TrainingJobStatus: 'Stopped',
          SecondaryStatus: 'MaxWaitTimeExceeded',
          SecondaryStatusTransitions: transitions,
        },
      }),
      { step: 'initialize' },
    );
    return trainingGateway(client).trainingJobEnd('job');
  };
  const phase = (Status: string) => ({ Status, StartTime: new Date(0), EndTime: new Date(MINUTE) });

  it('is a lack of capacity when a spot job never got an instance: the next type is asked for', async () => {
    const end = await ended([phase('Starting')]);
    expect(end?.outcome).toBe('failed');
    expect(failureKind(end?.outcome === 'failed' ? end.reason : '')).toBe('capacity');
  });

  it('may pass when a spot job lost its instance and the time to wait is over', async () => {
    const end = await ended([phase('Training'), phase('Interrupted')]);
    expect(failureKind(end?.outcome === 'failed' ? end.reason : '')).toBe('passing');
  });
});
