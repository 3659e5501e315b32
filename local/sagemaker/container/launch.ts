/** What is started for a container: its program itself, or the one that first gives it namespaces. */
import { mkdirSync } from 'node:fs';
import type { ContainerOptions } from './container-options.ts';
import { officialRoot, officialWord, rewriteCommand, rewriteEnvironment } from './container-root.ts';
import { type Containment, namespacesProgram, pythonOptions } from './containment.ts';

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Whether what is started says on file descriptor 3 why the program could not be, and closes it when it could. */
  readonly reports: boolean;
}

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const plainProcesses: Containment = { kind: 'processes', reason: 'no namespaces were asked for' };

/** @returns undefined when there is no command */
export function launchOf(options: ContainerOptions): Launch | undefined {
  const { containment = plainProcesses } = options;
  return containment.kind === 'namespaces' ? inNamespaces(options, containment.python) : asProcess(options);
}

function asProcess({ argv, root, cwd = root, environment }: ContainerOptions): Launch | undefined {
  const [command, ...args] = rewriteCommand(argv, root);
  if (command === undefined) return undefined;
  // The server's own environment holds its operator's secrets, so nothing of it is inherited.
  const base = { PATH: defaultPath, HOME: root, LANG: 'C.UTF-8', SAGEMAKER_BASE_DIR: root };
  return { command, args, cwd, environment: { ...base, ...rewriteEnvironment(environment, root) }, reports: false };
}

/** Here `/opt/ml` is what it says, so paths of the root become it, as they are on AWS. */
function inNamespaces(options: ContainerOptions, python: string): Launch | undefined {
  const { root, cwd = root, network = true, servedPort = 0, readOnly } = options;
  const official = (word: string) => officialWord(word, root);
  if (options.argv.length === 0) return undefined;
  if (readOnly !== undefined) mkdirSync(readOnly, { recursive: true });
  const environment = Object.entries(options.environment).map(([name, value]) => [name, official(value)]);
  return {
    command: python,
    args: [
      ...[...pythonOptions, namespacesProgram],
      ...[root, official(cwd), network ? 'host' : 'none', String(network ? 0 : servedPort)],
      official(readOnly ?? ''),
      ...options.argv.map(official),
    ],
    cwd: root,
    environment: { PATH: defaultPath, HOME: officialRoot, LANG: 'C.UTF-8', ...Object.fromEntries(environment) },
    reports: true,
  };
}
