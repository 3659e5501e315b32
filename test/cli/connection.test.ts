/** From the name of an environment to its outputs, in an account that holds other things, too. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  waitUntilStackCreateComplete,
  waitUntilStackDeleteComplete,
} from '@aws-sdk/client-cloudformation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../cli/connection.ts';
import { repository } from '../../local/cloud/layout.ts';
import { startCloud, stopCloud } from '../../local/cloud.ts';

const directory = join(repository, '.flywheel/test', `connection-${process.pid}`);
let cloudFormation: CloudFormationClient;
beforeAll(async () => {
  process.env.FLYWHEEL_LOCAL = directory;
  const { environment } = await startCloud({ directory, ports: { cloud: 0, sagemaker: 0 } });
  Object.assign(process.env, environment);
  cloudFormation = new CloudFormationClient({});
  for (const [name, outputs] of Object.entries(stacks)) await create(`local-${name}`, outputs);
});
afterAll(async () => {
  await stopCloud({ directory });
  rmSync(directory, { recursive: true, force: true });
});

const stateOutputs = {
  RawBucket: 'raw',
  DatasetBucket: 'datasets',
  ModelBucket: 'models',
  CaptureBucket: 'captures',
  LineageTable: 'lineage',
  EventBus: 'bus',
  AlarmTopic: 'topic',
};
const stacks = {
  State: stateOutputs,
  Pipeline: { UnansweredRequestsQueue: 'unanswered' },
  Serving: { ApiUrl: 'http://127.0.0.1/api' },
  Monitoring: { Functions: '{"predict":"f"}', DeadLetterQueues: '{"deploy-model":"q"}' },
};

const waiting = () => ({ client: cloudFormation, maxWaitTime: 30, minDelay: 0.1, maxDelay: 0.5 });

async function create(StackName: string, outputs: Readonly<Record<string, string>>): Promise<void> {
  const Outputs = Object.fromEntries(Object.entries(outputs).map(([name, Value]) => [name, { Value }]));
  const TemplateBody = JSON.stringify({ Resources: { Any: { Type: 'AWS::SQS::Queue' } }, Outputs });
  await cloudFormation.send(new CreateStackCommand({ StackName, TemplateBody }));
  await waitUntilStackCreateComplete(waiting(), { StackName });
}

describe('connect', () => {
  const expected = {
    ...stateOutputs,
    ApiUrl: stacks.Serving.ApiUrl,
    ...stacks.Pipeline,
    Functions: { predict: 'f' },
    DeadLetterQueues: { 'deploy-model': 'q' },
  };

  it("reads the environment's own stacks; another whose name begins alike changes nothing", async () => {
    await create('local-website', {
      RawBucket: 'strange',
      ApiUrl: 'https://strange.example',
      Functions: '{"predict":"strange"}',
    });
    await create('local-a-State', { LineageTable: 'strange' });
    expect((await connect('local')).outputs).toEqual(expected);
  });

  it('says what is missing while a stack is not there', async () => {
    await cloudFormation.send(new DeleteStackCommand({ StackName: 'local-Serving' }));
    await waitUntilStackDeleteComplete(waiting(), { StackName: 'local-Serving' });
    await expect(connect('local')).rejects.toThrow(
      /^Environment local is not deployed, or not by this version \(its stacks lack the outputs ApiUrl\)\./,
    );
  });
});
