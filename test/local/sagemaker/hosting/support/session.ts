import { setTimeout as delay } from 'node:timers/promises';
import {
  type ContainerDefinition,
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  DescribeEndpointCommand,
  type DescribeEndpointCommandOutput,
  type ProductionVariant,
  SageMakerClient,
  waitUntilEndpointInService,
} from '@aws-sdk/client-sagemaker';
import { InvokeEndpointCommand, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { account, eventually, image, region, roleArn, TestCloud, TestServer } from './cloud.ts';

const settings = { timeScale: 0.02, captureFlushMs: 100, metricsFlushMs: 50 };

/** A cloud, a server, and the AWS SDK's clients of it. */
export class Session {
  readonly cloud: TestCloud;
  server: TestServer;
  sagemaker: SageMakerClient;
  runtime: SageMakerRuntimeClient;

  private constructor(cloud: TestCloud, server: TestServer) {
    this.cloud = cloud;
    this.server = server;
    this.sagemaker = new SageMakerClient(clientSettings(server));
    this.runtime = new SageMakerRuntimeClient(clientSettings(server));
  }

  static async start(): Promise<Session> {
    const cloud = await TestCloud.start();
    return new Session(cloud, await TestServer.start(cloud, 'server', settings));
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await this.cloud.stop();
  }

  /** Stops the server, and starts one with the same state. */
  async restart(whileStopped: () => void = () => {}): Promise<void> {
    await this.server.stop();
    whileStopped();
    this.server = await TestServer.start(this.cloud, 'server', settings);
    this.sagemaker = new SageMakerClient(clientSettings(this.server));
    this.runtime = new SageMakerRuntimeClient(clientSettings(this.server));
  }

  /**
   * A model of the test's server, and a config with one variant of it.
   * @param model what its container and its network are to be instead
   */
  async configure(
    name: string,
    files: Record<string, string> = {},
    variant: Partial<ProductionVariant> = {},
    model: ContainerDefinition & { EnableNetworkIsolation?: boolean } = {},
  ): Promise<string> {
    const { EnableNetworkIsolation, ...container } = model;
    const ModelDataUrl = await this.cloud.putModel(name, files);
    const PrimaryContainer = { Image: image, ModelDataUrl, Environment: { MODEL_SETTING: `of ${name}` }, ...container };
    await this.sagemaker.send(
      new CreateModelCommand({ ModelName: name, PrimaryContainer, ExecutionRoleArn: roleArn, EnableNetworkIsolation }),
    );
    const ProductionVariants = [
      {
        VariantName: 'main',
        ModelName: name,
        InstanceType: 'ml.m5.large' as const,
        InitialInstanceCount: 1,
        ...variant,
      },
    ];
    await this.sagemaker.send(new CreateEndpointConfigCommand({ EndpointConfigName: name, ProductionVariants }));
    return name;
  }

  async createEndpoint(name: string, config = name): Promise<void> {
    await this.sagemaker.send(new CreateEndpointCommand({ EndpointName: name, EndpointConfigName: config }));
    await this.inService(name);
  }

  async inService(EndpointName: string): Promise<void> {
    await waitUntilEndpointInService(
      { client: this.sagemaker, maxWaitTime: 30, minDelay: 0.02, maxDelay: 0.05 },
      { EndpointName },
    );
  }

  async describeEndpoint(EndpointName: string): Promise<DescribeEndpointCommandOutput> {
    return this.sagemaker.send(new DescribeEndpointCommand({ EndpointName }));
  }

  async invoke(EndpointName: string, body: string, more: object = {}) {
    const answer = await this.runtime.send(
      new InvokeEndpointCommand({ EndpointName, Body: body, ContentType: 'text/csv', ...more }),
    );
    return { ...answer, text: Buffer.from(answer.Body).toString() };
  }

  /** Which models answered some calls. */
  async answers(endpoint: string, calls: number): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (let call = 0; call < calls; call += 1) {
      const [model = ''] = (await this.invoke(endpoint, 'x')).text.split(':');
      counts[model] = (counts[model] ?? 0) + 1;
    }
    return counts;
  }

  /** The states of an endpoint in the events since the last look. */
  async endpointStates(name: string): Promise<unknown[]> {
    await eventually(
      () => this.server.hosting.resources.endpointNamed({ account, region }, name).status === 'InService',
    );
    await delay(100);
    const events = await this.cloud.events();
    return events
      .filter(
        (event) => event['detail-type'] === 'SageMaker Endpoint State Change' && event.detail.EndpointName === name,
      )
      .map((event) => event.detail.EndpointStatus);
  }
}

export function clientSettings(server: TestServer, credentials = { accessKeyId: 'test', secretAccessKey: 'test' }) {
  return { endpoint: server.url, region, credentials, maxAttempts: 1 };
}
