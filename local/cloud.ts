import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type CloudEnvironment, environmentOf } from './cloud/environment.ts';
import { writeImages } from './cloud/images.ts';
import { type CloudPorts, defaultDirectory, defaultPorts, readPorts, writePorts } from './cloud/layout.ts';
import { claimPort } from './cloud/ports.ts';
import type { Cloud } from './cloud/running-cloud.ts';
import { makeDirectory, readOrMakeSecret, secretFile } from './cloud/secret.ts';
import {
  containersOf,
  lastLines,
  type Service,
  type ServiceName,
  type ServiceStatus,
  serviceStatus,
  servicesOf,
  startService,
  stopService,
} from './cloud/services.ts';

export { deployToCloud } from './cloud/deployment.ts';
export type { Cloud, CloudPorts, ServiceName, ServiceStatus };

export interface CloudOptions {
  /** Folder of all state, logs and pid files. @default .flywheel/local of the repository */
  readonly directory?: string;
  /** 0 asks for a free port. @default those of the last start in the folder, else 4566 and 4567 */
  readonly ports?: CloudPorts;
  /** Seconds before the first retry of an asynchronous function call; AWS waits 60. @default 0.2 */
  readonly retryDelaySeconds?: number;
}

export interface CloudStatus {
  readonly directory: string;
  readonly ports: CloudPorts | undefined;
  readonly services: Readonly<Record<ServiceName, ServiceStatus>>;
}

const names: readonly ServiceName[] = ['ministack', 'sagemaker'];

/**
 * Starts the laptop cloud of a folder, or finds it running. Its processes outlive this one; stopCloud ends them.
 * @throws Error when a port is in use (names the process), or a service does not start (last lines of its log)
 */
export async function startCloud(options: CloudOptions = {}): Promise<Cloud> {
  const directory = resolve(options.directory ?? defaultDirectory);
  makeDirectory(directory);
  const secret = readOrMakeSecret(secretFile(directory));
  const last = readPorts(directory);
  const running = names.filter((name) => serviceStatus(directory, name, 0).state === 'running');
  const ports = last && running.length > 0 ? last : await claimPorts(options.ports ?? last ?? defaultPorts);
  const services = servicesOf(directory, ports, { retryDelaySeconds: options.retryDelaySeconds ?? 0.2 });
  const missing = services.filter((service) => !running.includes(service.name));
  if (missing.length > 0) {
    writePorts(directory, ports);
    writeImages(directory);
    await startTogether(directory, missing);
  }
  return {
    directory,
    endpointUrl: `http://127.0.0.1:${ports.cloud}`,
    sagemakerUrl: `http://127.0.0.1:${ports.sagemaker}`,
    containers: await containersOf(ports.sagemaker),
    environment: environmentOf(ports, secret),
    started: missing.length > 0,
  };
}

/** Ends the processes of a cloud; its state stays for the next start. SageMaker local ends first: it uses the other. */
export async function stopCloud(
  options: Pick<CloudOptions, 'directory'> = {},
): Promise<Readonly<Record<ServiceName, 'stopped' | 'was not running'>>> {
  const directory = resolve(options.directory ?? defaultDirectory);
  const sagemaker = await stopService(directory, 'sagemaker');
  return { sagemaker, ministack: await stopService(directory, 'ministack') };
}

/** Variables by which the AWS CLI, the CDK and every SDK work with a cloud that runs; undefined when it does not. */
export function cloudEnvironment(options: Pick<CloudOptions, 'directory'> = {}): CloudEnvironment | undefined {
  const { directory, ports, services } = cloudStatus(options);
  if (!ports || services.ministack.state !== 'running') return undefined;
  return environmentOf(ports, readOrMakeSecret(secretFile(directory)));
}

/** What runs, on which ports, and the last log lines of what crashed. */
export function cloudStatus(options: Pick<CloudOptions, 'directory'> = {}): CloudStatus {
  const directory = resolve(options.directory ?? defaultDirectory);
  const ports = readPorts(directory);
  return {
    directory,
    ports,
    services: {
      ministack: serviceStatus(directory, 'ministack', ports?.cloud ?? defaultPorts.cloud),
      sagemaker: serviceStatus(directory, 'sagemaker', ports?.sagemaker ?? defaultPorts.sagemaker),
    },
  };
}

/** What containers have on this machine; undefined while SageMaker local does not run. */
export async function cloudContainers(options: Pick<CloudOptions, 'directory'> = {}): Promise<string | undefined> {
  const { services } = cloudStatus(options);
  return services.sagemaker.state === 'running' ? containersOf(services.sagemaker.port) : undefined;
}

/** Last lines of each service's log. */
export function cloudLogs(
  options: Pick<CloudOptions, 'directory'> & { readonly lines?: number } = {},
): Readonly<Record<ServiceName, readonly string[]>> {
  const directory = resolve(options.directory ?? defaultDirectory);
  const lines = options.lines ?? 100;
  return { ministack: lastLines(directory, 'ministack', lines), sagemaker: lastLines(directory, 'sagemaker', lines) };
}

/** Stops a cloud and deletes all it holds: stacks, objects, tables, jobs, logs. The next start is an empty account. */
export async function resetCloud(options: Pick<CloudOptions, 'directory'> = {}): Promise<void> {
  const directory = resolve(options.directory ?? defaultDirectory);
  await stopCloud({ directory });
  for (const entry of ['ministack', 'sagemaker', 'cdk.out', 'secret', ...names.map((name) => `${name}.log`)]) {
    rmSync(join(directory, entry), { recursive: true, force: true });
  }
}

/** All of the services or none: when one does not start, the others end again. */
async function startTogether(directory: string, services: readonly Service[]): Promise<void> {
  const results = await Promise.allSettled(services.map((service) => startService(directory, service)));
  const failure = results.find((result) => result.status === 'rejected');
  if (!failure) return;
  await Promise.all(services.map((service) => stopService(directory, service.name)));
  throw failure.reason;
}

async function claimPorts(wanted: CloudPorts): Promise<CloudPorts> {
  const [cloud, sagemaker] = await Promise.all([
    claimPort(wanted.cloud, 'the AWS services'),
    claimPort(wanted.sagemaker, 'SageMaker local'),
  ]);
  return { cloud, sagemaker };
}
