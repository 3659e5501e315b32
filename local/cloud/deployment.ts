import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, HeadBucketCommand, NotFound, S3Client } from '@aws-sdk/client-s3';
import * as z from 'zod';
import { isolatedEnvironment } from './environment.ts';
import { account, region, repository } from './layout.ts';
import type { Cloud } from './running-cloud.ts';

export interface DeployOptions {
  /** Stacks to deploy, as the CDK CLI selects them: `local/**`. */
  readonly stacks: readonly string[];
  /** Command that runs the CDK app, or a folder with a finished synthesis. @default that of cdk.json */
  readonly app?: string;
  /** Folder to run in. @default the repository */
  readonly workingDirectory?: string;
  /** Called with each line that the CDK CLI writes. */
  readonly onLine?: (line: string) => void;
}

const outputsFile = z.record(z.string(), z.record(z.string(), z.string()));
type StackOutputs = z.infer<typeof outputsFile>;

/**
 * Deploys stacks of a CDK app to a laptop cloud with the real CDK CLI; returns each stack's outputs.
 *
 * The app's local stacks have a CliCredentialsStackSynthesizer, so of `cdk bootstrap` only the asset bucket is needed:
 * one call instead of a stack with roles that no local deployment assumes.
 * @throws Error with the CLI's output when it fails
 */
export async function deployToCloud(cloud: Cloud, options: DeployOptions): Promise<StackOutputs> {
  await createAssetBucket(cloud);
  const outputs = join(cloud.directory, 'outputs.json');
  rmSync(outputs, { force: true });
  mkdirSync(cloud.directory, { recursive: true });
  await runCdk(cloud, options, [
    'deploy',
    ...options.stacks,
    ...['--require-approval', 'never', '--method', 'direct', '--outputs-file', outputs],
    ...['--output', join(cloud.directory, 'cdk.out'), '--progress', 'events', '--concurrency', '4'],
    ...['--no-notices', '--no-version-reporting', '--no-path-metadata', '--no-asset-metadata', '--ci'],
    ...(options.app ? ['--app', options.app] : []),
    // Of the installation's environments only the laptop's is synthesized.
    ...['--context', 'environment=local'],
  ]);
  return outputsFile.parse(JSON.parse(readFileSync(outputs, 'utf8')));
}

async function createAssetBucket(cloud: Cloud): Promise<void> {
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = cloud.environment;
  const credentials = { accessKeyId, secretAccessKey };
  const s3 = new S3Client({ endpoint: cloud.endpointUrl, region, credentials });
  const bucket = { Bucket: `cdk-hnb659fds-assets-${account}-${region}` };
  try {
    await s3.send(new HeadBucketCommand(bucket));
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
    await s3.send(new CreateBucketCommand(bucket));
  } finally {
    s3.destroy();
  }
}

function runCdk(cloud: Cloud, options: DeployOptions, arguments_: readonly string[]): Promise<void> {
  const cdk = join(repository, 'node_modules/aws-cdk/bin/cdk');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cdk, ...arguments_], {
      cwd: options.workingDirectory ?? repository,
      // CDK's own look at each template takes seconds and is made at every synthesis for AWS; cdk-nag runs here too.
      env: { ...isolatedEnvironment(cloud.environment), CI: 'true', NO_COLOR: '1', CDK_VALIDATION: 'false' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines: string[] = [];
    let rest = '';
    const take = (chunk: string) => {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) {
        lines.push(line);
        options.onLine?.(line);
      }
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) return resolve();
      reject(new Error(`cdk deploy ended with exit code ${code}:\n${[...lines, rest].slice(-60).join('\n')}`));
    });
  });
}
