import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';

const host = '127.0.0.1';

/**
 * A port that this process could listen on a moment ago: the wanted one, or any for 0.
 * @throws Error that names the process that holds the wanted port
 */
export async function claimPort(wanted: number, purpose: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => {
      if (!('code' in error) || error.code !== 'EADDRINUSE') return reject(error);
      const holder = processListeningOn(wanted) ?? 'a process of another user';
      reject(
        new Error(`Port ${wanted} for ${purpose} is in use by ${holder}. Stop it, or choose another port with --port.`),
      );
    });
    probe.listen(wanted, host, () => {
      const address = probe.address();
      const port = typeof address === 'object' && address ? address.port : wanted;
      probe.close(() => resolve(port));
    });
  });
}

/** `process 4711 (python …)` for the process that listens on a port, as far as this user may see it. */
export function processListeningOn(port: number): string | undefined {
  const pid = process.platform === 'linux' ? pidFromProc(port) : pidFromLsof(port);
  return pid === undefined ? undefined : `process ${pid} (${commandOf(pid) ?? 'command unknown'})`;
}

/** Command line of a process, undefined when it has ended. */
export function commandOf(pid: number): string | undefined {
  try {
    if (process.platform !== 'linux') {
      return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
    }
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() || undefined;
  } catch {
    return undefined; // ended between the listing and the look: it has no command any more
  }
}

/** Linux: /proc/net/tcp gives the socket's inode, and a process has it among its open files. */
function pidFromProc(port: number): number | undefined {
  const hexadecimal = port.toString(16).toUpperCase().padStart(4, '0');
  const listening = '0A';
  const rows = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, 'utf8').trim().split('\n').slice(1),
  );
  const inodes = new Set(
    rows
      .map((row) => row.trim().split(/\s+/))
      .filter((fields) => fields[1]?.endsWith(`:${hexadecimal}`) && fields[3] === listening)
      .map((fields) => `socket:[${fields[9]}]`),
  );
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.find((pid) => openFilesOf(pid).some((file) => inodes.has(file)));
}

function openFilesOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((descriptor) => readlinkSync(`/proc/${pid}/fd/${descriptor}`));
  } catch {
    return []; // ended meanwhile, or another user's: its files are not ours to see
  }
}

function pidFromLsof(port: number): number | undefined {
  try {
    const first = execFileSync('lsof', ['-t', `-iTCP:${port}`, '-sTCP:LISTEN'], { encoding: 'utf8' }).split('\n')[0];
    return first ? Number(first) : undefined;
  } catch {
    return undefined; // lsof exits with 1 when it finds none
  }
}
