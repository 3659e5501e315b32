/**
 * Every policy document in the templates of a cloud assembly, as AWS will get it, one a line as JSON for `lint_policies.py`:
 *
 *   node scripts/policies.ts FOLDER
 */
import { CloudAssembly } from 'aws-cdk-lib/cx-api';
import * as z from 'zod';
import { type DeployedStack, DeployedValues, deployedStacks } from '../lib/quotas/deployed-values.ts';

const document = z.object({ Statement: z.array(z.unknown()) });

interface FoundPolicy {
  /** `dev-State/RawBucketPolicy12345678`. */
  readonly at: string;
  readonly type: string;
  readonly property: string;
  readonly document: unknown;
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
for (const { nestedAssembly } of new CloudAssembly(folder).nestedAssemblies)
  for (const policy of policiesOf(deployedStacks(nestedAssembly))) console.log(JSON.stringify(policy));
