/** What CloudFormation says of one stack, asked for by its name. */
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';

/** Undefined for a stack that is not there. */
export async function stackOutputs(StackName: string): Promise<Readonly<Record<string, string>> | undefined> {
  try {
    const { Stacks = [] } = await new CloudFormationClient({}).send(new DescribeStacksCommand({ StackName }));
    const [stack] = Stacks.filter((each) => each.StackStatus !== 'DELETE_COMPLETE');
    const entries = stack?.Outputs?.map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue] as const);
    return stack && Object.fromEntries(entries ?? []);
  } catch (error) {
    if (isNoSuchStack(error)) return undefined;
    throw error;
  }
}

/** "If the stack doesn't exist, a ValidationError is returned" (API reference, DescribeStacks); it is returned for more. */
export const isNoSuchStack = (error: unknown): boolean =>
  error instanceof Error && error.name === 'ValidationError' && error.message.includes('does not exist');
