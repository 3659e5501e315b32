/**
 * The dashboard of an environment: from top to bottom, what is wrong, what clients see, and what the loop does. At most 50
 * metrics, so that it is one of the three that an account has for free: queues of dead letters show by their alarms.
 */
import { Duration } from 'aws-cdk-lib';
import type { HttpApi } from 'aws-cdk-lib/aws-apigatewayv2';
import { AlarmStatusWidget, Dashboard, GraphWidget, type IMetric, TextWidget } from 'aws-cdk-lib/aws-cloudwatch';
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
        [new AlarmStatusWidget({ title: 'Alarms', width: WIDTH, height: 6, alarms: alarms.all })],
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

const graph = (title: string, left: IMetric[]): GraphWidget => new GraphWidget({ title, width: WIDTH / 3, left });
