import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The process groups that this server started. Each is written down as a file named by its pid while it runs, so that a server
 * which was itself killed can end them at its next start; on an ordinary exit they end with the server.
 */
const running = new Set<number>();
let folder: string | undefined;
let exitHandled = false;

/**
 * Names the folder of pid files, and ends what an earlier server left running there. Call it once, before the first container.
 * @returns the pids of the groups that were ended
 */
export function keepProcessesIn(pidFolder: string): number[] {
  mkdirSync(pidFolder, { recursive: true });
  folder = pidFolder;
  const ended: number[] = [];
  for (const name of readdirSync(pidFolder)) {
    const file = join(pidFolder, name);
    const pid = Number(name);
    // A pid is reused; only the same pid with the same start time is the process that was written down.
    if (Number.isInteger(pid) && pid > 1 && startTime(pid) === readFileSync(file, 'utf8')) {
      if (signalGroup(pid, 'SIGKILL')) ended.push(pid);
    }
    rmSync(file, { force: true });
  }
  return ended;
}

/** Writes a started process group down. */
export function addProcess(pid: number): void {
  running.add(pid);
  if (folder) writeFileSync(join(folder, String(pid)), startTime(pid) ?? '');
  if (!exitHandled) {
    exitHandled = true;
    process.once('exit', endAllProcesses);
  }
}

/** Forgets a process group that has ended. */
export function removeProcess(pid: number): void {
  running.delete(pid);
  if (folder) rmSync(join(folder, String(pid)), { force: true });
}

/** Kills every running process group at once; for the moment the server exits. */
function endAllProcesses(): void {
  for (const pid of running) {
    signalGroup(pid, 'SIGKILL');
    removeProcess(pid);
  }
}

/** Sends a signal to a process group. @returns false when no process of the group is left */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    // ESRCH: the group is gone. EPERM: macOS answers so for a group of which only a zombie is left.
    if (error instanceof Error && 'code' in error && (error.code === 'ESRCH' || error.code === 'EPERM')) return false;
    throw error;
  }
}

/** When a process started, in the words of the operating system; undefined when there is no such process. */
function startTime(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // Field 22 of proc(5); the command name (field 2) may hold blanks, so count from its closing parenthesis.
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    }
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    // No /proc entry, or ps found nothing: the process is gone.
    return undefined;
  }
}
