/** How a command fails: a message that says what to do, and an exit code that a script can use. */
import { CommanderError } from 'commander';

export const exitCodes = {
  ok: 0,
  /** The command was understood and did not succeed. */
  failed: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** What was asked for does not exist, or not yet. */
  notFound: 3,
} as const;
type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** A failure that the user can do something about: printed without a stack. */
export class CommandFailed extends Error {
  readonly exitCode: ExitCode;
  constructor(message: string, exitCode: ExitCode = exitCodes.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What to print for any error, and what to exit with. `undefined` as text: it is printed already. */
export function explain(error: unknown): { readonly text: string | undefined; readonly exitCode: number } {
  if (error instanceof CommandFailed) return { text: error.message, exitCode: error.exitCode };
  // Commander has printed its own message, or the help that was asked for.
  if (error instanceof CommanderError)
    return { text: undefined, exitCode: error.exitCode === 0 ? exitCodes.ok : exitCodes.usage };
  if (!(error instanceof Error)) return { text: String(error), exitCode: exitCodes.failed };
  const known = knownErrors.find(({ when }) => when(error));
  if (known) return { text: `${known.say(error)}`, exitCode: known.exitCode };
  return { text: error.stack ?? error.message, exitCode: exitCodes.failed };
}

const knownErrors: readonly {
  when: (error: Error) => boolean;
  say: (error: Error) => string;
  exitCode: ExitCode;
}[] = [
  {
    when: (error) => error.name === 'ConfigurationError',
    say: (error) => error.message,
    exitCode: exitCodes.usage,
  },
  {
    when: (error) => hasCode(error, 'ECONNREFUSED'),
    say: () => 'Nothing answers at the endpoint. The laptop cloud is started by `flywheel local up`.',
    exitCode: exitCodes.notFound,
  },
  {
    when: (error) => error.name === 'CredentialsProviderError',
    say: (error) => `No AWS credentials (${error.message}). Sign in (\`aws sso login\`) or set AWS_PROFILE.`,
    exitCode: exitCodes.failed,
  },
  {
    when: (error) => ['ExpiredToken', 'ExpiredTokenException', 'RequestExpired'].includes(error.name),
    say: () => 'The AWS credentials have expired. Sign in again (`aws sso login`).',
    exitCode: exitCodes.failed,
  },
  {
    when: (error) => /^(AccessDenied|AccessDeniedException|UnauthorizedOperation)$/.test(error.name),
    say: (error) => `AWS refused: ${error.message}`,
    exitCode: exitCodes.failed,
  },
];

/** Node wraps a refused connection to a name with several addresses in an AggregateError. */
function hasCode(error: Error, code: string): boolean {
  if ('code' in error && error.code === code) return true;
  return error instanceof AggregateError && error.errors.some((each) => each instanceof Error && hasCode(each, code));
}
