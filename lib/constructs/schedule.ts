/** Wakes a function at regular intervals, with an event of the contract. */
import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnSchedule } from 'aws-cdk-lib/aws-scheduler';
import { Construct } from 'constructs';
import { grant } from './access.ts';
import { type EventFunction, RETRIES } from './event-function.ts';

export interface ScheduleProps {
  readonly minutes: number;
  readonly event: { readonly source: string; readonly detailType: string };
  readonly to: EventFunction;
}

export class Schedule extends Construct {
  constructor(scope: Construct, id: string, { minutes, event, to }: ScheduleProps) {
    super(scope, id);
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
      description: `Flywheel: wakes ${to.name}`,
    });
    grant(role, [{ actions: ['lambda:InvokeFunction'], resources: [to.function.functionArn] }]);
    const schedule = new CfnSchedule(this, 'Schedule', {
      description: `Flywheel: wakes ${to.name}`,
      scheduleExpression: minutes === 1 ? 'rate(1 minute)' : `rate(${minutes} minutes)`,
      flexibleTimeWindow: { mode: 'OFF' },
      target: {
        arn: to.function.functionArn,
        roleArn: role.roleArn,
        retryPolicy: { maximumRetryAttempts: RETRIES, maximumEventAgeInSeconds: minutes * 60 },
        input: JSON.stringify({
          id: '<aws.scheduler.execution-id>',
          source: event.source,
          'detail-type': event.detailType,
          detail: {},
        }),
      },
    });
    schedule.applyRemovalPolicy(RemovalPolicy.DESTROY);
    // The policy must be there before the first invocation, a minute after the schedule.
    schedule.node.addDependency(role);
  }
}
