import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  PutMetricAlarmCommand,
  type PutMetricAlarmCommandInput,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch';
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  DeleteEndpointCommand,
  type DeploymentConfig,
  type DescribeEndpointCommandOutput,
  UpdateEndpointCommand,
} from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { account, adminRequest, eventually, image, region, roleArn } from './support/cloud.ts';
import { Session } from './support/session.ts';

let session: Session;

beforeAll(async () => {
  session = await Session.start();
}, 30_000);

afterAll(() => session?.stop(), 30_000);

describe('a deployment', () => {
  test('by canary gives the new model its share, then everything', async () => {
    await session.configure('blue');
    await session.configure('green');
    await session.createEndpoint('guarded', 'blue');
    await session.cloud.events();
    await session.sagemaker.send(
      new UpdateEndpointCommand({
        EndpointName: 'guarded',
        EndpointConfigName: 'green',
        DeploymentConfig: canary(100),
      }),
    );
    await eventually(async () => pendingStatus(await session.describeEndpoint('guarded')) === 'Baking');
    const during = await session.describeEndpoint('guarded');
    expect(during).toMatchObject({
      EndpointStatus: 'Updating',
      EndpointConfigName: 'blue',
      PendingDeploymentSummary: { EndpointConfigName: 'green' },
    });
    const split = await session.answers('guarded', 40);
    expect(split.green).toBeGreaterThanOrEqual(8);
    expect(split.green).toBeLessThanOrEqual(12);
    await session.inService('guarded');
    const after = await session.describeEndpoint('guarded');
    expect(after.EndpointConfigName).toBe('green');
    expect(after.PendingDeploymentSummary).toBeUndefined();
    expect(after.LastDeploymentConfig).toMatchObject(canary(100));
    expect(await session.answers('guarded', 5)).toEqual({ green: 5 });
    await delay(100);
    const events = await session.cloud.events();
    const phases = events
      .filter((event) => event['detail-type'] === 'SageMaker Endpoint Deployment State Change')
      .map((event) => phaseOf(event.detail));
    expect(phases).toEqual([
      'Creating',
      'ActivatingTraffic',
      'Baking',
      'ActivatingTraffic',
      'Baking',
      'Deleting',
      undefined,
    ]);
  });

  test('goes back when an alarm fires while the canary bakes', async () => {
    await session.cloud.cloudWatch.send(
      new PutMetricAlarmCommand(alarmOn('guarded-errors', { EndpointName: 'guarded', VariantName: 'main' })),
    );
    await session.cloud.events();
    await session.sagemaker.send(
      new UpdateEndpointCommand({
        EndpointName: 'guarded',
        EndpointConfigName: 'blue',
        DeploymentConfig: canary(1500, ['guarded-errors']),
      }),
    );
    await eventually(async () => pendingStatus(await session.describeEndpoint('guarded')) === 'Baking');
    for (let call = 0; call < 8; call += 1)
      await expect(session.invoke('guarded', 'status 500')).rejects.toThrow(/server error/);
    await session.inService('guarded');
    const after = await session.describeEndpoint('guarded');
    expect(after).toMatchObject({
      EndpointConfigName: 'green',
      FailureReason: 'One or more alarms configured for automatic rollback are in ALARM state: guarded-errors.',
    });
    expect(await session.answers('guarded', 5)).toEqual({ green: 5 });
    expect(await session.endpointStates('guarded')).toEqual(['UPDATING', 'ROLLING_BACK', 'IN_SERVICE']);
  });

  test('goes back at once when an alarm was in ALARM before, and the new fleet gets no traffic', async () => {
    await session.cloud.cloudWatch.send(new PutMetricAlarmCommand(alarmOn('already', { EndpointName: 'nothing' })));
    await session.cloud.cloudWatch.send(
      new SetAlarmStateCommand({ AlarmName: 'already', StateValue: 'ALARM', StateReason: 'of another cause' }),
    );
    await session.cloud.events();
    await session.sagemaker.send(
      new UpdateEndpointCommand({
        EndpointName: 'guarded',
        EndpointConfigName: 'blue',
        DeploymentConfig: canary(10, ['already']),
      }),
    );
    await session.inService('guarded');
    expect(await session.describeEndpoint('guarded')).toMatchObject({
      EndpointConfigName: 'green',
      FailureReason: expect.stringContaining('are in ALARM state: already'),
    });
    const events = await session.cloud.events();
    expect(events.map((event) => phaseOf(event.detail))).not.toContain('ActivatingTraffic');
  });

  test('that replaces a failing model goes back by an alarm on both fleets, and not by one on the new config', async () => {
    await session.configure('failing', { 'behaviour.txt': 'fail-all' });
    await session.configure('cure');
    await session.createEndpoint('ill', 'failing');
    const both = { EndpointName: 'ill', VariantName: 'main' };
    await session.cloud.cloudWatch.send(new PutMetricAlarmCommand(alarmOn('both-fleets', both)));
    await session.cloud.cloudWatch.send(
      new PutMetricAlarmCommand(alarmOn('new-fleet', { ...both, EndpointConfigName: 'cure' })),
    );
    const update = async (alarm: string, seconds: number) => {
      const DeploymentConfig = canary(seconds, [alarm]);
      await session.sagemaker.send(
        new UpdateEndpointCommand({ EndpointName: 'ill', EndpointConfigName: 'cure', DeploymentConfig }),
      );
      await eventually(async () => pendingStatus(await session.describeEndpoint('ill')) === 'Baking');
      for (let call = 0; call < 12; call += 1) await session.invoke('ill', 'x').catch(() => undefined);
      await session.inService('ill');
      return session.describeEndpoint('ill');
    };
    expect(await update('both-fleets', 1500)).toMatchObject({
      EndpointConfigName: 'failing',
      FailureReason: expect.stringContaining('both-fleets'),
    });
    expect(await update('new-fleet', 100)).toMatchObject({ EndpointConfigName: 'cure' });
  });

  test('goes back when the new container does not get healthy, and the old one serves meanwhile', async () => {
    await session.configure('broken', { 'behaviour.txt': 'end-at-start' });
    await session.sagemaker.send(new UpdateEndpointCommand({ EndpointName: 'guarded', EndpointConfigName: 'broken' }));
    expect(await session.answers('guarded', 5)).toEqual({ green: 5 });
    await expect(session.sagemaker.send(new DeleteEndpointCommand({ EndpointName: 'guarded' }))).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringMatching(/^Cannot update in-progress endpoint/),
    });
    await session.inService('guarded');
    expect(await session.describeEndpoint('guarded')).toMatchObject({
      EndpointConfigName: 'green',
      FailureReason: expect.stringMatching(/ping health check/),
    });
  });

  test('that has just begun may still be described as what was before it', async () => {
    const lag = (milliseconds: number) => adminRequest(session.server, 'describe-lag', { milliseconds });
    await lag(1000);
    await session.sagemaker.send(new UpdateEndpointCommand({ EndpointName: 'guarded', EndpointConfigName: 'blue' }));
    expect(await session.describeEndpoint('guarded')).toMatchObject({
      EndpointStatus: 'InService',
      EndpointConfigName: 'green',
    });
    await eventually(async () => (await session.describeEndpoint('guarded')).EndpointConfigName === 'blue');
    await lag(0);
    await session.sagemaker.send(new UpdateEndpointCommand({ EndpointName: 'guarded', EndpointConfigName: 'green' }));
    await session.inService('guarded');
  });

  test('goes back when an alarm does not exist', async () => {
    await session.sagemaker.send(
      new UpdateEndpointCommand({
        EndpointName: 'guarded',
        EndpointConfigName: 'blue',
        DeploymentConfig: canary(100, ['no-such-alarm']),
      }),
    );
    await session.inService('guarded');
    expect(await session.describeEndpoint('guarded')).toMatchObject({
      EndpointConfigName: 'green',
      FailureReason: expect.stringContaining('no-such-alarm'),
    });
  });
});

describe('after a restart of the server', () => {
  test('no process was left, and endpoints are in service again', async () => {
    await session.restart(() => expect(readdirSync(join(session.cloud.folder, 'server', 'processes'))).toEqual([]));
    expect((await session.describeEndpoint('guarded')).EndpointStatus).toBe('InService');
    expect((await session.invoke('guarded', 'x')).text).toBe('green:x');
  });

  test('every name that was there is taken still, in SageMaker’s words', async () => {
    const arn = (kind: string) => `arn:aws:sagemaker:${region}:${account}:${kind}/green`;
    const PrimaryContainer = { Image: image };
    await expect(
      session.sagemaker.send(
        new CreateModelCommand({ ModelName: 'green', PrimaryContainer, ExecutionRoleArn: roleArn }),
      ),
    ).rejects.toMatchObject({
      name: 'ValidationException',
      message: `Cannot create already existing model "${arn('model')}".`,
    });
    const variant = { VariantName: 'main', ModelName: 'green', InitialInstanceCount: 1 };
    await expect(
      session.sagemaker.send(
        new CreateEndpointConfigCommand({
          EndpointConfigName: 'green',
          ProductionVariants: [{ ...variant, InstanceType: 'ml.m5.large' }],
        }),
      ),
    ).rejects.toMatchObject({
      name: 'ValidationException',
      message: `Cannot create already existing endpoint configuration "${arn('endpoint-config')}".`,
    });
    await expect(
      session.sagemaker.send(new CreateEndpointCommand({ EndpointName: 'guarded', EndpointConfigName: 'green' })),
    ).rejects.toMatchObject({
      name: 'ValidationException',
      message: `Cannot create already existing endpoint "arn:aws:sagemaker:${region}:${account}:endpoint/guarded".`,
    });
  });

  test('a deployment that was under way begins anew, and ends', async () => {
    await session.sagemaker.send(
      new UpdateEndpointCommand({ EndpointName: 'guarded', EndpointConfigName: 'blue', DeploymentConfig: canary(60) }),
    );
    await eventually(async () => pendingStatus(await session.describeEndpoint('guarded')) === 'Baking');
    await session.restart();
    expect((await session.describeEndpoint('guarded')).EndpointStatus).toBe('Updating');
    await session.inService('guarded');
    expect((await session.describeEndpoint('guarded')).EndpointConfigName).toBe('blue');
    expect(await session.answers('guarded', 5)).toEqual({ blue: 5 });
  });
});

/** An alarm that more than 3 failed invocations trip, with these dimensions. */
function alarmOn(AlarmName: string, dimensions: Record<string, string>): PutMetricAlarmCommandInput {
  return {
    AlarmName,
    Namespace: 'AWS/SageMaker',
    MetricName: 'Invocation5XXErrors',
    Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
    Statistic: 'Sum',
    Period: 60,
    EvaluationPeriods: 1,
    Threshold: 3,
    ComparisonOperator: 'GreaterThanThreshold',
    TreatMissingData: 'notBreaching',
  };
}

function canary(waitSeconds: number, alarms: string[] = []): DeploymentConfig {
  return {
    BlueGreenUpdatePolicy: {
      TrafficRoutingConfiguration: {
        Type: 'CANARY',
        CanarySize: { Type: 'CAPACITY_PERCENT', Value: 25 },
        WaitIntervalInSeconds: waitSeconds,
      },
    },
    ...(alarms.length > 0 && { AutoRollbackConfiguration: { Alarms: alarms.map((AlarmName) => ({ AlarmName })) } }),
  };
}

function pendingStatus(endpoint: DescribeEndpointCommandOutput): string | undefined {
  return endpoint.PendingDeploymentSummary?.ProductionVariants?.[0]?.VariantStatus?.[0]?.Status;
}

function phaseOf(detail: Record<string, unknown>): unknown {
  const pending: { ProductionVariants?: { VariantStatus?: { Status?: string }[] }[] } | undefined =
    Object(detail).PendingDeploymentSummary;
  return pending?.ProductionVariants?.[0]?.VariantStatus?.[0]?.Status;
}
