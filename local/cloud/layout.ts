import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as z from 'zod';

/** Root of the repository; the commands work from any folder. */
export const repository = resolve(import.meta.dirname, '../..');
export const defaultDirectory = join(repository, '.flywheel', 'local');
export const defaultPorts: CloudPorts = { cloud: 4566, sagemaker: 4567 };
export const region = 'us-east-1';
export const account = '000000000000';

/** Ports on 127.0.0.1; 0 asks for one that is free. */
export interface CloudPorts {
  /** MiniStack: every AWS service but SageMaker. */
  readonly cloud: number;
  /** SageMaker local: its API and its runtime. */
  readonly sagemaker: number;
}

const portsFile = z.strictObject({ cloud: z.int(), sagemaker: z.int() });

/** Ports of the cloud that was last started in a folder; undefined if none was. */
export function readPorts(directory: string): CloudPorts | undefined {
  const text = readIfPresent(join(directory, 'ports.json'));
  return text === undefined ? undefined : portsFile.parse(JSON.parse(text));
}

export function writePorts(directory: string, ports: CloudPorts): void {
  writeFileSync(join(directory, 'ports.json'), `${JSON.stringify(ports)}\n`);
}

/** Content of a file, undefined if there is none. */
export function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
