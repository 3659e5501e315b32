/** The identity policies of a synthesized app, by what their role is for. */
import * as z from 'zod';
import { ofType, type SynthesizedStack } from '../synthesis.ts';

const oneOrMore = z.union([z.array(z.unknown()), z.unknown().transform((each) => [each])]);
const statement = z.object({
  Effect: z.literal('Allow'),
  Action: oneOrMore.pipe(z.array(z.string())),
  Resource: oneOrMore,
  Condition: z.unknown().optional(),
});
export type Statement = z.infer<typeof statement>;
const policy = z.object({
  PolicyDocument: z.object({ Statement: z.array(statement) }),
  Roles: z.array(z.union([z.object({ Ref: z.string() }), z.unknown()])),
});

/** By the name of the function, or the rest of the role's description, in the environment `dev`. */
export function statementsByRole(stacks: readonly SynthesizedStack[]): ReadonlyMap<string, readonly Statement[]> {
  const purpose = new Map(
    ofType(stacks, 'AWS::IAM::Role').map(([id, role]) => [
      id,
      z
        .string()
        .parse(role.Properties.Description)
        .replace(/^Flywheel (dev)?:? ?/, ''),
    ]),
  );
  const found = new Map<string, Statement[]>();
  for (const [, { Properties }] of ofType(stacks, 'AWS::IAM::Policy')) {
    const { PolicyDocument, Roles } = policy.parse(Properties);
    for (const role of Roles) {
      // A role of another stack is named by a reference that holds its logical id.
      const id = [...purpose.keys()].find((each) => JSON.stringify(role).includes(each)) ?? JSON.stringify(role);
      const name = purpose.get(id) ?? id;
      found.set(name, [...(found.get(name) ?? []), ...PolicyDocument.Statement]);
    }
  }
  return found;
}
