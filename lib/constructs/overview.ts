/**
 * The dashboard of an environment: from top to bottom, what is wrong, what clients see, and what the loop does. At most 50
 * metrics, so that it is one of the three that an account has for free: queues of dead letters show by their alarms.
 */
import { Duration } from 'aws-cdk-lib';
import type { HttpApi } from 'aws-cdk-lib/aws-apigatewayv2';
import {
  AlarmStatusWidget,
  Dashboard,
  GraphWidget,
  type IAlarm,
  type IMetric,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { type MetricName, metrics } from '../../lambdas/contract/metrics.ts';
import type { EventFunction } from './event-function.ts';
import type { Platform } from './platform.ts';
import { maximumOf, sumOf } from './project-metrics.ts';

export interface OverviewProps {
  readonly platform: Platform;
  readonly api: HttpApi;
  readonly functions: readonly EventFunction[];
}

const WIDTH = 24;
const ALARMS_IN_A_WIDGET = 100;

export class Overview extends Construct {
  constructor(scope: Construct, id: string, { platform, api, functions }: OverviewProps) {
    super(scope, id);
    const { environment, alarms } = platform;
    const projects = environment.projects.map((project) => project.name);
    const sums = (metric: MetricName) => projects.map((project) => sumOf(environment, project, metric));
    const maxima = (metric: MetricName) => projects.map((project) => maximumOf(environment, project, metric));
    const thresholds = environment.projects.map((project) => project.monitoring.psi);
    new Dashboard(this, 'Dashboard', {
      defaultInterval: Duration.days(1),
      widgets: [
        [new TextWidget({ width: WIDTH, height: 1, markdown: `# Flywheel ${environment.name}` })],
        ...alarmWidgets(alarms.all),
        [
          graph('Requests', [api.metricCount(), api.metricClientError(), api.metricServerError()]),
          graph('Latency of the API (ms)', [
            api.metricLatency({ statistic: 'p50' }),
            api.metricLatency({ statistic: 'p99' }),
          ]),
          graph('Rows of accepted uploads', sums(metrics.datasetRows)),
        ],
        [
          new GraphWidget({
            title: 'Highest PSI of all features',
            width: WIDTH / 3,
            left: maxima(metrics.driftMaximumPsi),
            leftAnnotations: [...new Set(thresholds)].map((value) => ({ value, label: 'drifted' })),
          }),
          graph('Hours of training', sums(metrics.trainingHours)),
          graph('Failures', [
            ...sums(metrics.datasetRejected),
            ...sums(metrics.trainingFailed),
            ...sums(metrics.candidateRejected),
            ...sums(metrics.deploymentRolledBack),
          ]),
        ],
        [
          graph(
            'Events handled',
            functions.map((each) => each.function.metricInvocations({ label: each.name })),
          ),
          graph(
            'Errors of functions',
            functions.map((each) => each.function.metricErrors({ label: each.name })),
          ),
        ],
      ],
    });
  }
}

/** Alarms in hundreds: a widget takes no more (CloudWatch API reference, "Dashboard body structure and syntax": 1-100 ARNs). */
function alarmWidgets(alarms: readonly IAlarm[]): AlarmStatusWidget[][] {
  const widgets = Array.from({ length: Math.ceil(alarms.length / ALARMS_IN_A_WIDGET) }, (_, position) =>
    alarms.slice(position * ALARMS_IN_A_WIDGET, (position + 1) * ALARMS_IN_A_WIDGET),
  );
  return widgets.map((each, position) => [
    new AlarmStatusWidget({
      title: widgets.length === 1 ? 'Alarms' : `Alarms, ${position + 1} of ${widgets.length}`,
      width: WIDTH,
      height: 6,
      alarms: each,
    }),
  ]);
}

const graph = (title: string, left: IMetric[]): GraphWidget => new GraphWidget({ title, width: WIDTH / 3, left });
