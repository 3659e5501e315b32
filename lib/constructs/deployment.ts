/** Approved model → endpoint, with alarms that roll a bad one back. */
import { Duration, Stack } from 'aws-cdk-lib';
import { type Alarm, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { Policy, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { endpointDeploymentStateChange, endpointStateChange } from '../../lambdas/contract/aws-events.ts';
import { ModelApproved, StepOverdue } from '../../lambdas/contract/events.ts';
import { endpointName, PRODUCTION_VARIANT, sageMakerPrefix } from '../../lambdas/contract/keys.ts';
import { metrics } from '../../lambdas/contract/metrics.ts';
import { Access } from './access.ts';
import { EventFunction } from './event-function.ts';
import { EventRoute } from './event-route.ts';
import type { Platform } from './platform.ts';
import { sumOf } from './project-metrics.ts';
import type { ProjectRoles } from './project-roles.ts';
import { sageMaker } from './sagemaker-access.ts';

/** 99 of 100 requests are answered by the model within this; SageMaker's own limit is a minute. */
const SLOWEST_ANSWER = Duration.seconds(5);

export interface DeploymentProps {
  readonly platform: Platform;
  readonly roles: ProjectRoles;
}

export class Deployment extends Construct {
  readonly functions: readonly EventFunction[];

  constructor(scope: Construct, id: string, { platform, roles }: DeploymentProps) {
    super(scope, id);
    const { environment, table, bus, key, captures, alarms } = platform;
    const record = table.readWrite().and(bus.publish());
    const rollbackAlarms = new Map(
      environment.projects.map(({ name }) => [name, this.#rollbackAlarms(platform, roles, name)]),
    );

    const deploy = new EventFunction(this, 'Deploy', {
      name: 'deploy-model',
      description: 'creates or updates the endpoint of a project for an approved model',
      platform,
      access: record
        .and(roles.pass())
        .and(key.name())
        .and(captures.named('CAPTURE_BUCKET'))
        .and(new Access({ ROLLBACK_ALARMS: this.#alarmNames(rollbackAlarms) }, []))
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
              'DescribeModel',
              'DescribeEndpointConfig',
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
      access: record.and(sageMaker(this, platform, ['endpoint'], ['DescribeEndpoint'])),
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

  /** SageMaker looks at the alarms with the endpoint's role. */
  #rollbackAlarms({ environment, alarms }: Platform, roles: ProjectRoles, project: string): readonly Alarm[] {
    const dimensionsMap = {
      EndpointName: endpointName.build(environment.name, project),
      VariantName: PRODUCTION_VARIANT,
    };
    const of = `endpoint of ${project}`;
    const made = [
      alarms.add(this, `${project}-errors`, {
        kind: 'endpoint-errors',
        of,
        metric: new Metric({
          namespace: 'AWS/SageMaker',
          metricName: 'Invocation5XXErrors',
          dimensionsMap,
          statistic: 'sum',
          period: Duration.minutes(1),
        }),
        atLeast: 1,
      }),
      alarms.add(this, `${project}-latency`, {
        kind: 'endpoint-latency',
        of,
        metric: new Metric({
          namespace: 'AWS/SageMaker',
          metricName: 'ModelLatency',
          dimensionsMap,
          statistic: 'p99',
          period: Duration.minutes(1),
        }),
        // Microseconds.
        atLeast: SLOWEST_ANSWER.toMilliseconds() * 1000,
        periods: 2,
      }),
    ];
    new Policy(this, `${project}-watch-alarms`, {
      roles: [roles.of(project)],
      statements: [
        new PolicyStatement({
          actions: ['cloudwatch:DescribeAlarms'],
          resources: made.map((alarm) => alarm.alarmArn),
        }),
      ],
    });
    return made;
  }

  #alarmNames(alarms: ReadonlyMap<string, readonly Alarm[]>): string {
    const names = [...alarms].map(([project, made]) => [project, made.map((alarm) => alarm.alarmName)]);
    return Stack.of(this).toJsonString(Object.fromEntries(names));
  }
}
