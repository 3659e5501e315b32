import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PutMetricAlarmCommand } from '@aws-sdk/client-cloudwatch';
import {
  DeleteEndpointCommand,
  type DeploymentConfig,
  type DescribeEndpointCommandOutput,
  UpdateEndpointCommand,
} from '@aws-sdk/client-sagemaker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from './support/cloud.ts';
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
      new PutMetricAlarmCommand({
        AlarmName: 'guarded-errors',
        Namespace: 'AWS/SageMaker',
        MetricName: 'Invocation5XXErrors',
        Dimensions: [
          { Name: 'EndpointName', Value: 'guarded' },
          { Name: 'VariantName', Value: 'main' },
        ],
        Statistic: 'Sum',
        Period: 60,
        EvaluationPeriods: 1,
        Threshold: 3,
        ComparisonOperator: 'GreaterThanThreshold',
      }),
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
