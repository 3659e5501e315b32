/** How much of a container this machine gives a process: namespaces of its own where the kernel lets it, or a folder only. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** `namespaces`: an own `/opt/ml`, and no network under isolation. `processes`: neither, and why. */
export type Containment =
  | { readonly kind: 'namespaces'; readonly python: string }
  | { readonly kind: 'processes'; readonly reason: string };

/** The program that becomes the container's, inside its namespaces; its head says what it is given. */
export const namespacesProgram = join(import.meta.dirname, 'namespaces.py');
/** Neither the user's Python settings nor its packages have a part in it. */
export const pythonOptions = ['-I', '-S'];

/**
 * Tries out whether this kernel gives unprivileged processes namespaces of their own: some distributions and most containers
 * do not.
 * @param python interpreter that prepares them, 3.9 or later
 */
export async function findContainment(python: string): Promise<Containment> {
  if (process.platform !== 'linux') return { kind: 'processes', reason: `${process.platform} has no namespaces` };
  if (!existsSync(python)) return { kind: 'processes', reason: `there is no ${python}` };
  // The report comes on file descriptor 3; a shell lends the error output for it.
  const script = 'exec "$0" "$@" 3>&2';
  const probe = [python, ...pythonOptions, namespacesProgram, '--probe'];
  try {
    await promisify(execFile)('/bin/sh', ['-c', script, ...probe], { cwd: tmpdir(), timeout: 10_000 });
    return { kind: 'namespaces', python };
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    return { kind: 'processes', reason: said || `${python} could not try them out` };
  }
}

/** For the operator: what containers are here, and what that means. */
export function describeContainment(containment: Containment): string {
  if (containment.kind === 'namespaces') {
    return 'in namespaces of their own: each has its /opt/ml, and no network under network isolation';
  }
  return (
    `plain processes (${containment.reason}): a literal /opt/ml in a program is not theirs, and network isolation takes the ` +
    'credentials, not the network'
  );
}
