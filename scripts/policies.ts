/**
 * Every policy document in the templates of a cloud assembly, as AWS will get it, one a line as JSON for `lint_policies.py`:
 *
 *   node scripts/policies.ts FOLDER
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { type DeployedStack, DeployedValues, deployedStack } from '../lib/quotas/deployed-values.ts';

const manifest = z.object({
  artifacts: z.record(
    z.string(),
    z.object({ type: z.string(), properties: z.record(z.string(), z.unknown()).default({}) }),
  ),
});
const document = z.object({ Statement: z.array(z.unknown()) });

interface FoundPolicy {
  /** `dev-State/RawBucketPolicy12345678`. */
  readonly at: string;
  readonly type: string;
  readonly property: string;
  readonly document: unknown;
}

/** @param assembly folder of one environment, with its `manifest.json` */
function stacksIn(assembly: string): DeployedStack[] {
  const { artifacts } = manifest.parse(JSON.parse(readFileSync(join(assembly, 'manifest.json'), 'utf8')));
  return Object.values(artifacts)
    .filter(({ type }) => type === 'aws:cloudformation:stack')
    .map(({ properties }) => {
      const { stackName, templateFile } = z
        .object({ stackName: z.string(), templateFile: z.string() })
        .parse(properties);
      return deployedStack(stackName, JSON.parse(readFileSync(join(assembly, templateFile), 'utf8')));
    });
}

/** The policy of an event bus is given statement by statement. */
const asDocument = (type: string, property: string, value: unknown): unknown =>
  type === 'AWS::Events::EventBusPolicy' && property === 'Statement'
    ? { Version: '2012-10-17', Statement: [value] }
    : value;

function policiesOf(stacks: readonly DeployedStack[]): FoundPolicy[] {
  const values = new DeployedValues(stacks);
  return stacks.flatMap((stack) =>
    Object.entries(stack.template.Resources).flatMap(([id, { Type, Properties }]) =>
      Object.entries(Properties)
        .map(([property, value]) => ({ property, value: asDocument(Type, property, values.of(stack, value)) }))
        .filter(({ value }) => document.safeParse(value).success)
        .map(({ property, value }) => ({ at: `${stack.name}/${id}`, type: Type, property, document: value })),
    ),
  );
}

const [folder = ''] = process.argv.slice(2);
for (const file of globSync(join(folder, '**/manifest.json')).sort())
  for (const policy of policiesOf(stacksIn(dirname(file)))) console.log(JSON.stringify(policy));
