/** Approved model → endpoint; a bad one is rolled back by alarms that deploy-model creates for the length of a deployment. */
import { Duration, Stack } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { endpointDeploymentStateChange, endpointStateChange } from '../../lambdas/contract/aws-events.ts';
import {
  DeploymentRolledBack,
  DeploymentStarted,
  ModelApproved,
  ModelDeployed,
  StepOverdue,
} from '../../lambdas/contract/events.ts';
import { endpointLogGroup, endpointName, PRODUCTION_VARIANT, sageMakerPrefix } from '../../lambdas/contract/keys.ts';
import { metrics, SLOWEST_ANSWER_SECONDS } from '../../lambdas/contract/metrics.ts';
import { Access, allow, grant } from './access.ts';
import { EventFunction } from './event-function.ts';
import { EventRoute } from './event-route.ts';
import type { Platform } from './platform.ts';
import { sumOf } from './project-metrics.ts';
import type { ProjectRoles } from './project-roles.ts';
import { sageMaker } from './sagemaker-access.ts';

export interface DeploymentProps {
  readonly platform: Platform;
  readonly roles: ProjectRoles;
}

export class Deployment extends Construct {
  readonly functions: readonly EventFunction[];

  constructor(scope: Construct, id: string, { platform, roles }: DeploymentProps) {
    super(scope, id);
    const { environment, table, bus, key, captures, alarms } = platform;
    const record = table.readWrite('deployment', 'endpoint', 'project').and(table.query());
    // Both take a deployment as far as the endpoint has come, and start the next.
    const settled = [ModelDeployed, DeploymentRolledBack, ModelApproved] as const;
    for (const { name } of environment.projects) this.#watchEndpoint(platform, roles, name);

    const deploy = new EventFunction(this, 'Deploy', {
      name: 'deploy-model',
      description: 'creates or updates the endpoint of a project for an approved model',
      platform,
      access: record
        .and(bus.publish(DeploymentStarted, ...settled))
        .and(roles.pass())
        .and(key.name())
        .and(captures.named('CAPTURE_BUCKET'))
        .and(new Access({ LOG_RETENTION_DAYS: String(environment.logRetentionDays) }, []))
        .and(this.#rollbackAlarms(platform, ['PutMetricAlarm', 'DeleteAlarms', 'DescribeAlarms']))
        .and(this.#endpointLogs(platform))
        .and(
          sageMaker(
            this,
            platform,
            ['model', 'endpoint-config', 'endpoint'],
            [
              'CreateModel',
              'CreateEndpointConfig',
              'CreateEndpoint',
              'UpdateEndpoint',
              'DeleteEndpoint',
              'DescribeEndpoint',
              'AddTags',
            ],
          ),
        ),
    });
    new EventRoute(this, 'Approved', { bus: bus.bus, events: [ModelApproved], to: deploy });

    const finish = new EventFunction(this, 'Finish', {
      name: 'finish-deployment',
      description: 'records a deployment when its endpoint is in service with the wanted config, or was rolled back',
      platform,
      access: record
        .and(bus.publish(...settled))
        .and(sageMaker(this, platform, ['endpoint'], ['DescribeEndpoint']))
        .and(this.#rollbackAlarms(platform, ['DeleteAlarms'])),
    });
    new EventRoute(this, 'Endpoints', {
      events: [endpointStateChange, endpointDeploymentStateChange],
      detail: { EndpointName: [{ prefix: sageMakerPrefix(environment.name) }] },
      to: finish,
    });
    new EventRoute(this, 'Overdue', {
      bus: bus.bus,
      events: [StepOverdue],
      detail: { kind: ['deployment'] },
      to: finish,
    });

    for (const project of environment.projects)
      alarms.add(this, `${project.name}-rolled-back`, {
        kind: 'deployment-rolled-back',
        of: project.name,
        metric: sumOf(environment, project.name, metrics.deploymentRolledBack),
        atLeast: 1,
      });
    this.functions = [deploy, finish];
  }

  /** The alarms that a deployment has while it lasts: named by the endpoint config, which is named at run time. */
  #rollbackAlarms({ environment }: Platform, actions: readonly string[]): Access {
    return allow({
      actions: actions.map((action) => `cloudwatch:${action}`),
      resources: [this.#alarmArn(`${sageMakerPrefix(environment.name)}*`)],
      patternBecause: 'alarms of a deployment are named by its endpoint config, at run time',
    });
  }

  /** Log groups that SageMaker would otherwise create, without our key and without an end. */
  #endpointLogs({ environment }: Platform): Access {
    const { partition, region, account } = Stack.of(this);
    const group = endpointLogGroup(`${sageMakerPrefix(environment.name)}*`);
    return allow({
      actions: ['logs:CreateLogGroup', 'logs:AssociateKmsKey', 'logs:PutRetentionPolicy'],
      resources: [`arn:${partition}:logs:${region}:${account}:log-group:${group}`],
      patternBecause: 'the log group of an endpoint has its name; all of this environment share the prefix',
    });
  }

  #alarmArn(name: string): string {
    const { partition, region, account } = Stack.of(this);
    return `arn:${partition}:cloudwatch:${region}:${account}:alarm:${name}`;
  }

  /** What people hear of an endpoint at any time; and the role's permission to look at the alarms of its deployments. */
  #watchEndpoint({ environment, alarms }: Platform, roles: ProjectRoles, project: string): void {
    const endpoint = endpointName.build(environment.name, project);
    const of = `endpoint of ${project}`;
    const metric = (metricName: string, statistic: string) =>
      new Metric({
        namespace: 'AWS/SageMaker',
        metricName,
        dimensionsMap: { EndpointName: endpoint, VariantName: PRODUCTION_VARIANT },
        statistic,
        period: Duration.minutes(1),
      });
    alarms.add(this, `${project}-errors`, {
      kind: 'endpoint-errors',
      of,
      metric: metric('Invocation5XXErrors', 'sum'),
      atLeast: 1,
    });
    alarms.add(this, `${project}-latency`, {
      kind: 'endpoint-latency',
      of,
      metric: metric('ModelLatency', 'p99'),
      // Microseconds.
      atLeast: Duration.seconds(SLOWEST_ANSWER_SECONDS).toMilliseconds() * 1000,
      periods: 2,
    });
    // AWS: the "execution role" needs it. Whether that is the endpoint's or the caller's it does not say, so both have it.
    grant(roles.of(project), [
      {
        actions: ['cloudwatch:DescribeAlarms'],
        resources: [this.#alarmArn(`${endpoint}-*`)],
        patternBecause: 'alarms of a deployment are named by its endpoint config, at run time',
      },
    ]);
  }
}
