import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const host = '127.0.0.1';

/**
 * A port that this process could listen on a moment ago: the wanted one, or any for 0.
 * @throws Error that names the process that holds the wanted port
 */
export async function claimPort(wanted: number, purpose: string): Promise<number> {
  // A process that is ending has lost its name and its files are not listed, but it holds its port for some ms more.
  const endingLimit = Date.now() + 1000;
  for (;;) {
    const port = await listenOnce(wanted);
    if (port !== 'in use') return port;
    const holder = processListeningOn(wanted);
    if (holder === undefined && Date.now() < endingLimit) {
      await wait(20);
      continue;
    }
    const named = holder ?? 'a process of another user';
    throw new Error(`Port ${wanted} for ${purpose} is in use by ${named}. Stop it, or choose another port.`);
  }
}

function listenOnce(wanted: number): Promise<number | 'in use'> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) =>
      'code' in error && error.code === 'EADDRINUSE' ? resolve('in use') : reject(error),
    );
    probe.listen(wanted, host, () => {
      const address = probe.address();
      const port = typeof address === 'object' && address ? address.port : wanted;
      probe.close(() => resolve(port));
    });
  });
}

/** `process 4711 (python …)` for the process that listens on a port, as far as this user may see it. */
function processListeningOn(port: number): string | undefined {
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

/** Ended meanwhile, another user's, or a file closed since the listing: not ours to see, and not an error. */
function openFilesOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).flatMap((descriptor) => {
      try {
        return [readlinkSync(join(folder, descriptor))];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
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
