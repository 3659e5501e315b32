/**
 * The HTTP API, IAM-signed. Applications call it for predictions, the state of a project and ground truth; people, for
 * training runs, drift measurements and decisions on models. Each route has a path of its own, so that IAM policies can
 * tell who may predict from who may approve, project by project.
 */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import { HttpApi, HttpMethod, HttpStage, LogGroupLogDestination } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import {
  type AnyEventDefinition,
  ApprovalGiven,
  DriftMeasurementDemanded,
  TrainingDemanded,
} from '../../lambdas/contract/events.ts';
import { routes } from '../../lambdas/contract/http.ts';
import { itemKey } from '../../lambdas/contract/keys.ts';
import { EventFunction, retentionOf } from './event-function.ts';
import type { Platform } from './platform.ts';
import { sageMaker } from './sagemaker-access.ts';

/** One JSON object a request. `userArn` is filled on routes with IAM authorization (HTTP API logging variables). */
const ACCESS_LOG = {
  requestId: '$context.requestId',
  time: '$context.requestTime',
  caller: '$context.identity.userArn',
  sourceIp: '$context.identity.sourceIp',
  route: '$context.routeKey',
  path: '$context.path',
  status: '$context.status',
  error: '$context.error.message',
  integrationError: '$context.integrationErrorMessage',
};

export class PredictionApi extends Construct {
  readonly functions: readonly EventFunction[];
  readonly api: HttpApi;
  /** Without a slash at the end. */
  readonly url: string;

  constructor(scope: Construct, id: string, { platform }: { readonly platform: Platform }) {
    super(scope, id);
    const { table, captures, bus, environment, alarms } = platform;
    const answering = { platform, synchronous: true, timeout: Duration.seconds(29) } as const;
    const predict = new EventFunction(this, 'Predict', {
      ...answering,
      name: 'predict',
      description: "answers with the predictions of a project's endpoint",
      // Most of a cold start is processing.
      memory: 1024,
      access: sageMaker(this, platform, ['endpoint'], ['InvokeEndpoint']),
    });
    const describe = new EventFunction(this, 'Describe', {
      ...answering,
      name: 'describe-project',
      description: 'answers with the state of a project',
      access: table.read(),
    });
    const recordGroundTruth = new EventFunction(this, 'GroundTruth', {
      ...answering,
      name: 'record-ground-truth',
      description: 'keeps what turned out to be true of earlier predictions',
      access: table.read().and(captures.named('CAPTURE_BUCKET')).and(captures.write('ground-truth/')),
    });
    // It records and publishes demands of its own kind only.
    const demanding = (event: AnyEventDefinition) =>
      table.readAndPut(itemKey.partitions.demands(event.detailType)).and(bus.publish(event));
    const requestTraining = new EventFunction(this, 'ManualTraining', {
      ...answering,
      name: 'request-manual-training',
      description: "publishes a person's demand for a training run",
      access: demanding(TrainingDemanded),
    });
    const requestDriftCheck = new EventFunction(this, 'DriftCheck', {
      ...answering,
      name: 'request-drift-check',
      description: "publishes a person's demand for a drift measurement",
      access: demanding(DriftMeasurementDemanded),
    });
    const decide = new EventFunction(this, 'Decision', {
      ...answering,
      name: 'decide-model',
      description: "publishes a person's decision on a model",
      access: demanding(ApprovalGiven),
    });

    this.api = new HttpApi(this, 'Api', {
      description: `Flywheel ${environment.name}`,
      createDefaultStage: false,
      defaultAuthorizer: new HttpIamAuthorizer(),
    });
    for (const [route, to] of [
      [routes.predict, predict],
      [routes.describe, describe],
      [routes.groundTruth, recordGroundTruth],
      [routes.requestTraining, requestTraining],
      [routes.requestDriftCheck, requestDriftCheck],
      [routes.decide, decide],
    ] as const)
      this.api.addRoutes({
        path: route.path,
        methods: [HttpMethod[route.method]],
        integration: new HttpLambdaIntegration(to.name, to.function),
      });
    new HttpStage(this, 'Stage', {
      httpApi: this.api,
      autoDeploy: true,
      throttle: { rateLimit: environment.apiLimit.requestsPerSecond, burstLimit: environment.apiLimit.burst },
      accessLogSettings: {
        format: AccessLogFormat.custom(JSON.stringify(ACCESS_LOG)),
        destination: new LogGroupLogDestination(
          new LogGroup(this, 'AccessLogs', {
            encryptionKey: platform.key.key,
            retention: retentionOf(platform.environment.logRetentionDays),
            removalPolicy: RemovalPolicy.DESTROY,
          }),
        ),
      },
    });
    this.url = this.api.apiEndpoint;
    alarms.add(this, 'Errors', {
      kind: 'api-errors',
      of: 'HTTP API',
      metric: this.api.metricServerError({ period: Duration.minutes(5), statistic: 'sum' }),
      atLeast: 1,
    });
    this.functions = [predict, describe, recordGroundTruth, requestTraining, requestDriftCheck, decide];
  }
}
