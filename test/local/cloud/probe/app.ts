/** A small app with the kinds of resources that Flywheel uses, to see that a laptop cloud deploys and runs them. */
import { join } from 'node:path';
import {
  App,
  aws_apigatewayv2 as api,
  aws_apigatewayv2_authorizers as authorizers,
  CfnOutput,
  CliCredentialsStackSynthesizer,
  aws_cloudwatch as cloudwatch,
  Duration,
  aws_dynamodb as dynamodb,
  aws_events as events,
  type IStackSynthesizer,
  aws_iam as iam,
  aws_apigatewayv2_integrations as integrations,
  aws_kms as kms,
  aws_lambda as lambda,
  aws_logs as logs,
  aws_lambda_nodejs as nodejs,
  RemovalPolicy,
  Stack,
  aws_s3 as s3,
  aws_scheduler as scheduler,
  aws_sns as sns,
  aws_sqs as sqs,
  aws_events_targets as targets,
  aws_scheduler_targets as targetsOfSchedules,
} from 'aws-cdk-lib';

const app = new App();
const stack = new Stack(app, 'probe', {
  // The classes of aws-cdk-lib implement their interfaces, but not under exactOptionalPropertyTypes.
  synthesizer: new CliCredentialsStackSynthesizer() as IStackSynthesizer,
  env: { account: '000000000000', region: 'us-east-1' },
});
const removalPolicy = RemovalPolicy.DESTROY;

const key = new kms.Key(stack, 'Key', { enableKeyRotation: true, removalPolicy });
key.grantEncryptDecrypt(new iam.ServicePrincipal('logs.us-east-1.amazonaws.com'));
key.grantEncryptDecrypt(new iam.ServicePrincipal('events.amazonaws.com'));
const accessLogs = new s3.Bucket(stack, 'AccessLogs', { enforceSSL: true, removalPolicy });
const bucket = new s3.Bucket(stack, 'Bucket', {
  encryptionKey: key,
  bucketKeyEnabled: true,
  versioned: true,
  enforceSSL: true,
  blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
  serverAccessLogsBucket: accessLogs as s3.IBucket,
  lifecycleRules: [{ noncurrentVersionExpiration: Duration.days(30) }],
  removalPolicy,
});
const resource = bucket.node.defaultChild;
if (!(resource instanceof s3.CfnBucket)) throw new Error('the bucket has no resource');
resource.addPropertyOverride('NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled', true);

const table = new dynamodb.TableV2(stack, 'Table', {
  partitionKey: { name: 'pk', type: dynamodb.AttributeType.STRING },
  sortKey: { name: 'sk', type: dynamodb.AttributeType.STRING },
  globalSecondaryIndexes: [{ indexName: 'bySk', partitionKey: { name: 'sk', type: dynamodb.AttributeType.STRING } }],
  dynamoStream: dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
  pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
  encryption: dynamodb.TableEncryptionV2.customerManagedKey(key),
  removalPolicy,
});
const bus = new events.EventBus(stack, 'Bus');
const archive = bus.archive('Archive', { eventPattern: { source: ['probe'] }, retention: Duration.days(7) });

const deadLetters = new sqs.Queue(stack, 'DeadLetters', { enforceSSL: true, encryptionMasterKey: key });
const probe = new nodejs.NodejsFunction(stack, 'Probe', {
  entry: join(import.meta.dirname, 'handler.ts'),
  runtime: lambda.Runtime.NODEJS_24_X,
  architecture: lambda.Architecture.ARM_64,
  bundling: { format: nodejs.OutputFormat.ESM, mainFields: ['module', 'main'], minify: true, bundleAwsSDK: true },
  logGroup: new logs.LogGroup(stack, 'ProbeLogs', { encryptionKey: key, retention: 14, removalPolicy }),
  environment: { TABLE: table.tableName, BUS: bus.eventBusName, BUCKET: bucket.bucketName },
  timeout: Duration.seconds(30),
  deadLetterQueue: deadLetters,
  retryAttempts: 2,
});
key.grantEncryptDecrypt(probe);
table.grant(probe, 'dynamodb:PutItem');
bus.grantPutEventsTo(probe);
bucket.grantRead(probe);

const target = () => new targets.LambdaFunction(probe, { deadLetterQueue: deadLetters });
new events.Rule(stack, 'OnUpload', {
  eventPattern: {
    source: ['aws.s3'],
    detailType: ['Object Created'],
    detail: { bucket: { name: [bucket.bucketName] } },
  },
  targets: [target()],
});
new events.Rule(stack, 'OnBus', { eventBus: bus, eventPattern: { source: ['probe'] }, targets: [target()] });
new events.Rule(stack, 'OnAlarm', { eventPattern: { source: ['aws.cloudwatch'] }, targets: [target()] });
new events.Rule(stack, 'OnSageMaker', { eventPattern: { source: ['aws.sagemaker'] }, targets: [target()] });
new scheduler.Schedule(stack, 'Schedule', {
  schedule: scheduler.ScheduleExpression.rate(Duration.minutes(1)),
  target: new targetsOfSchedules.LambdaInvoke(probe, {
    input: scheduler.ScheduleTargetInput.fromObject({ source: 'schedule', detail: {} }),
  }),
});

const metric = (project: string) =>
  new cloudwatch.Metric({
    namespace: 'Probe',
    metricName: 'Records',
    dimensionsMap: { Project: project },
    statistic: 'Sum',
    period: Duration.minutes(1),
  });
const alarmOf = (id: string, source: cloudwatch.IMetric) =>
  new cloudwatch.Alarm(stack, id, {
    metric: source,
    threshold: 3,
    evaluationPeriods: 1,
    treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
  });
const one = alarmOf('One', metric('one'));
const two = alarmOf('Two', metric('two'));
const math = alarmOf(
  'Math',
  new cloudwatch.MathExpression({
    expression: 'FILL(a, 0) + FILL(b, 0)',
    usingMetrics: { a: metric('one'), b: metric('two') },
    period: Duration.minutes(1),
  }),
);
const queueAlarm = alarmOf('DeadLettersArrive', deadLetters.metricApproximateNumberOfMessagesVisible());
const composite = new cloudwatch.CompositeAlarm(stack, 'Both', {
  alarmRule: cloudwatch.AlarmRule.anyOf(
    cloudwatch.AlarmRule.fromAlarm(one, cloudwatch.AlarmState.ALARM),
    cloudwatch.AlarmRule.fromAlarm(two, cloudwatch.AlarmState.ALARM),
  ),
});
new cloudwatch.Dashboard(stack, 'Dashboard', { widgets: [[new cloudwatch.AlarmWidget({ alarm: one })]] });
new logs.QueryDefinition(stack, 'Query', {
  queryDefinitionName: 'probe/errors',
  queryString: new logs.QueryString({ fields: ['@message'] }),
});
new sns.Topic(stack, 'Topic', { masterKey: key });
new iam.ManagedPolicy(stack, 'Policy', {
  statements: [new iam.PolicyStatement({ actions: ['s3:ListBucket'], resources: [bucket.bucketArn] })],
});

const http = new api.HttpApi(stack, 'Http', { defaultAuthorizer: new authorizers.HttpIamAuthorizer() });
http.addRoutes({
  path: '/projects/{project}',
  methods: [api.HttpMethod.POST],
  integration: new integrations.HttpLambdaIntegration('ProbeIntegration', probe),
});
const caller = new iam.Role(stack, 'Caller', { assumedBy: new iam.AccountRootPrincipal() });
caller.addToPolicy(
  new iam.PolicyStatement({
    actions: ['execute-api:Invoke'],
    resources: [http.arnForExecuteApi('POST', '/projects/allowed')],
  }),
);

caller.addToPolicy(new iam.PolicyStatement({ actions: ['s3:PutObject'], resources: [bucket.arnForObjects('*')] }));

const outputs = {
  Bucket: bucket.bucketName,
  Table: table.tableName,
  BusName: bus.eventBusName,
  DeadLettersUrl: deadLetters.queueUrl,
  ArchiveName: archive.archiveName,
  FunctionName: probe.functionName,
  LogGroupName: probe.logGroup.logGroupName,
  AlarmOne: one.alarmName,
  AlarmTwo: two.alarmName,
  AlarmMath: math.alarmName,
  AlarmQueue: queueAlarm.alarmName,
  AlarmBoth: composite.alarmName,
  HttpId: http.apiId,
  CallerArn: caller.roleArn,
};
for (const [name, value] of Object.entries(outputs)) new CfnOutput(stack, `Out${name}`, { value });
