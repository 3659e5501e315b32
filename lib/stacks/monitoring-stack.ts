/** What watches the rest: drift, reconciliation, dashboard, saved log queries. */
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { HttpApi } from 'aws-cdk-lib/aws-apigatewayv2';
import type { Construct } from 'constructs';
import { DriftMonitor } from '../constructs/drift-monitor.ts';
import type { EventFunction } from '../constructs/event-function.ts';
import { LogQueries } from '../constructs/log-queries.ts';
import { Overview } from '../constructs/overview.ts';
import type { Platform } from '../constructs/platform.ts';
import { Reconciliation } from '../constructs/reconciliation.ts';

export interface MonitoringStackProps extends StackProps {
  readonly platform: Platform;
  readonly api: HttpApi;
  /** Of the other stacks. */
  readonly functions: readonly EventFunction[];
}

export class MonitoringStack extends Stack {
  /** Of all stacks. */
  readonly functions: readonly EventFunction[];

  constructor(scope: Construct, id: string, { platform, api, ...props }: MonitoringStackProps) {
    super(scope, id, props);
    this.functions = [
      ...props.functions,
      ...new DriftMonitor(this, 'Drift', { platform }).functions,
      ...new Reconciliation(this, 'Reconciliation', { platform }).functions,
    ];
    new Overview(this, 'Overview', { platform, api, functions: this.functions });
    new LogQueries(this, 'LogQueries', { platform, functions: this.functions });

    const json = (entries: readonly (readonly [string, string])[]) => this.toJsonString(Object.fromEntries(entries));
    new CfnOutput(this, 'Functions', {
      value: json(this.functions.map((each) => [each.name, each.function.functionName])),
    });
    new CfnOutput(this, 'DeadLetterQueues', {
      value: json(
        this.functions.flatMap(({ name, deadLetters }) => (deadLetters ? [[name, deadLetters.queueUrl] as const] : [])),
      ),
    });
  }
}
