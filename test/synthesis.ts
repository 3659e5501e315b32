/** A synthesized app, for tests: the real constructs with empty bundles (what esbuild makes is tested in bundle.test.ts). */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, type AppProps } from 'aws-cdk-lib';
import type { Metafile } from 'esbuild';
import { onTestFinished } from 'vitest';
import * as z from 'zod';
import { makeApp } from '../lib/app.ts';
import { defineFlywheel, type Flywheel, feature, label, type ProjectInput } from '../lib/config/index.ts';
import type { FlywheelStage } from '../lib/stage.ts';

const resource = z.object({
  Type: z.string(),
  Properties: z.record(z.string(), z.unknown()).default({}),
  DeletionPolicy: z.string().optional(),
});
const template = z.object({
  Resources: z.record(z.string(), resource),
  Outputs: z.record(z.string(), z.object({ Value: z.unknown() })).default({}),
});
export type Resource = z.infer<typeof resource>;

const { context: flags } = z
  .object({ context: z.record(z.string(), z.unknown()) })
  .parse(JSON.parse(readFileSync(new URL('../cdk.json', import.meta.url), 'utf8')));

export interface SynthesizedStack {
  /** `State`, `Pipeline`, ... */
  readonly name: string;
  /** As CloudFormation knows it. */
  readonly stackName: string;
  readonly environment: string;
  readonly terminationProtection: boolean;
  readonly resources: Readonly<Record<string, Resource>>;
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** Empty bundles: only the settings are in them. */
export const noCode = { files: new Map(), metafile: { inputs: {}, outputs: {} } satisfies Metafile };

/** An app whose output goes when the test ends. */
export function testApp(props: AppProps = {}): App {
  return new App(testProps(props));
}

/** @param props of the app, beside the context of cdk.json */
export async function appOf(flywheel: Flywheel, props: AppProps = {}) {
  return makeApp(flywheel, noCode, testProps(props));
}

function testProps({ context, ...props }: AppProps): AppProps {
  const outdir = newFolder();
  onTestFinished(() => rmSync(outdir, { recursive: true }));
  return { context: { ...flags, ...context }, outdir, ...props };
}

const newFolder = (): string => mkdtempSync(join(tmpdir(), 'flywheel-test-'));

export async function synthesize(flywheel: Flywheel, context: Readonly<Record<string, string>> = {}) {
  const outdir = newFolder();
  // Validating every template takes a second each time; nag.test.ts does it once.
  const props = { context: { ...flags, ...context }, outdir, builtinCloudFormationValidation: false };
  try {
    const { app, stages } = await makeApp(flywheel, noCode, props);
    return read(app, stages);
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

function read(app: App, stages: readonly FlywheelStage[]) {
  const assembly = app.synth();
  const stacks = stages.flatMap((stage): SynthesizedStack[] =>
    assembly.getNestedAssembly(stage.artifactId).stacks.map((stack) => {
      const { Resources, Outputs } = template.parse(stack.template);
      return {
        name: stack.stackName.slice(stage.stageName.length + 1),
        stackName: stack.stackName,
        environment: stage.stageName,
        terminationProtection: stack.terminationProtection ?? false,
        resources: Resources,
        outputs: Object.fromEntries(Object.entries(Outputs).map(([name, output]) => [name, output.Value])),
      };
    }),
  );
  return { stages, stacks };
}

/** The smallest project. */
export const project = (name: string, more: Partial<ProjectInput> = {}): { readonly input: ProjectInput } => ({
  input: {
    name,
    problem: { objective: 'binary' },
    data: { columns: { amount: feature.number(), label: label.boolean() } },
    ...more,
  },
});

export const installation = (...names: readonly string[]): Flywheel =>
  defineFlywheel({ environments: { dev: { region: 'eu-central-1' } }, projects: names.map((name) => project(name)) });

export const ofType = (stacks: readonly SynthesizedStack[], type: string): [string, Resource][] =>
  stacks.flatMap((stack) => Object.entries(stack.resources).filter(([, resource]) => resource.Type === type));
