/** The HTTP API that clients call, IAM-signed: predictions, the state of a project, ground truth. */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { HttpApi, HttpMethod, HttpStage, LogGroupLogDestination } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { routes } from '../../lambdas/contract/http.ts';
import { EventFunction, retentionOf } from './event-function.ts';
import type { Platform } from './platform.ts';
import { sageMaker } from './sagemaker-access.ts';

export class PredictionApi extends Construct {
  readonly functions: readonly EventFunction[];
  readonly api: HttpApi;
  /** Without a slash at the end. */
  readonly url: string;

  constructor(scope: Construct, id: string, { platform }: { readonly platform: Platform }) {
    super(scope, id);
    const { table, captures, environment, alarms } = platform;
    const predict = new EventFunction(this, 'Predict', {
      name: 'predict',
      description: "answers with the predictions of a project's endpoint",
      platform,
      synchronous: true,
      // Most of a cold start is processing.
      memory: 1024,
      timeout: Duration.seconds(29),
      access: sageMaker(this, platform, ['endpoint'], ['InvokeEndpoint']),
    });
    const describe = new EventFunction(this, 'Describe', {
      name: 'describe-project',
      description: 'answers with the state of a project',
      platform,
      synchronous: true,
      timeout: Duration.seconds(29),
      access: table.read(),
    });
    const recordGroundTruth = new EventFunction(this, 'GroundTruth', {
      name: 'record-ground-truth',
      description: 'keeps what turned out to be true of earlier predictions',
      platform,
      synchronous: true,
      timeout: Duration.seconds(29),
      access: captures.named('CAPTURE_BUCKET').and(captures.write('ground-truth/')),
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
    this.functions = [predict, describe, recordGroundTruth];
  }
}
