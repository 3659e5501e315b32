/** Containers in namespaces of their own, where the kernel lets a process without rights have them. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ContainerOptions } from '../../../../local/sagemaker/container/container-options.ts';
import { findContainment } from '../../../../local/sagemaker/container/containment.ts';
import { runContainer } from '../../../../local/sagemaker/container/run-container.ts';
import { eventually } from '../hosting/support/cloud.ts';

const python = resolve('.flywheel/venv/cloud/bin/python');
const containment = await findContainment(python);
let folder: string;

beforeAll(() => {
  mkdirSync('.flywheel/test', { recursive: true });
  folder = realpathSync(mkdtempSync('.flywheel/test/namespaces-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function root(name: string, files: Record<string, string> = {}): string {
  const made = join(folder, name);
  mkdirSync(join(made, 'model'), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(made, file), text);
  return made;
}

/** Runs a Python script as a container and gathers what it prints. */
async function run(script: string, options: Partial<ContainerOptions> & { readonly root: string }) {
  const lines: string[] = [];
  const exit = await runContainer({
    argv: [python, '-c', script],
    environment: {},
    containment,
    onLine: (line) => lines.push(line),
    ...options,
  });
  return { ...exit, lines };
}

describe.skipIf(containment.kind === 'processes')('a container in namespaces of its own', () => {
  test('reads and writes a literal /opt/ml, which this machine does not have', async () => {
    const own = root('literal', { 'model/weights': 'w' });
    const script = `
print(open('/opt/ml/model/weights').read())
open('/opt/ml/model/made', 'w').write('here')`;
    const had = existsSync('/opt/ml');
    expect(await run(script, { root: own })).toMatchObject({ exitCode: 0, lines: ['w'] });
    expect(readFileSync(join(own, 'model/made'), 'utf8')).toBe('here');
    expect(existsSync('/opt/ml')).toBe(had);
  });

  test('sees what else is in /opt, and not the /opt/ml of another that runs beside it', async () => {
    const script = `
import os, sys, time
print(*sorted(name for name in os.listdir('/opt') if name != 'ml'))
mine = sys.argv[1]
open('/opt/ml/model/of', 'w').write(mine)
time.sleep(0.3)
assert os.listdir('/opt/ml/model') == ['of'] and open('/opt/ml/model/of').read() == mine`;
    const both = ['one', 'two'].map((name) => run(script, { root: root(name), argv: [python, '-c', script, name] }));
    const outside = await run(`import os; print(*sorted(name for name in os.listdir('/opt') if name != 'ml'))`, {
      root: root('outside'),
      containment: { kind: 'processes', reason: 'of this test' },
    });
    for (const each of await Promise.all(both)) expect(each).toMatchObject({ exitCode: 0, lines: outside.lines });
  });

  test('without network reaches neither this machine nor another; with it, this machine', async () => {
    const server = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
    await new Promise((listening) => server.once('listening', listening));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const script = `
import errno, socket
for place in (('127.0.0.1', ${port}), ('192.0.2.1', 80)):
    try:
        print(socket.create_connection(place, timeout=0.2).recv(5).decode())
    except OSError as error:
        print(errno.errorcode.get(error.errno, 'none'))`;
    const isolated = await run(script, { root: root('isolated'), network: false });
    const open = await run(script, { root: root('open') });
    server.close();
    expect(isolated.lines).toEqual(['ECONNREFUSED', 'ENETUNREACH']);
    expect(open.lines[0]).toBe('hello');
  });

  test('without network is reached at the port it serves, whole and by many at once, until it ends', async () => {
    const port = await freePort();
    const stop = new AbortController();
    const script = `
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Echo(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
ThreadingHTTPServer(('127.0.0.1', ${port}), Echo).serve_forever()`;
    const running = run(script, {
      root: root('serving'),
      network: false,
      servedPort: port,
      signal: stop.signal,
      stopTimeoutMs: 2000,
    });
    const echo = async (body: string | Uint8Array<ArrayBuffer>) =>
      Buffer.from(await (await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body })).arrayBuffer());
    await eventually(async () => (await echo('ready')).toString() === 'ready');
    const large = new Uint8Array(20_000_000).fill(7);
    expect((await echo(large)).equals(Buffer.from(large))).toBe(true);
    const many = Array.from({ length: 40 }, (_, number) => `call ${number}`);
    expect(await Promise.all(many.map(async (text) => (await echo(text)).toString()))).toEqual(many);
    stop.abort();
    expect(await running).toMatchObject({ exitCode: 143, killed: true });
    await expect(echo('gone')).rejects.toThrow('fetch failed');
  });

  test('ends, as a server does, when its port is taken, so that it is started again with another', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((listening) => taken.once('listening', listening));
    const address = taken.address();
    const servedPort = typeof address === 'object' && address ? address.port : 0;
    const ended = await run('print("never")', { root: root('taken'), network: false, servedPort });
    taken.close();
    expect(ended).toMatchObject({ exitCode: 1, killed: false, lines: [expect.stringContaining('already in use')] });
  });

  test('has no child that it did not start, though another process carries its connections', async () => {
    const script = `
import os
try:
    os.wait()
except ChildProcessError:
    print('none')`;
    const alone = await run(script, { root: root('alone'), network: false, servedPort: await freePort() });
    expect(alone.lines).toEqual(['none']);
  });

  test('cannot write where it is told that it may only read, even as root', async () => {
    const own = root('model-only', { 'model/weights': 'w' });
    const script = `
open('/opt/ml/elsewhere', 'w').write('x')
try:
    open('/opt/ml/model/weights', 'w')
except OSError as error:
    print(error.strerror)`;
    const written = await run(script, { root: own, readOnly: join(own, 'model') });
    expect(written.lines).toEqual(['Read-only file system']);
    expect(existsSync(join(own, 'elsewhere'))).toBe(true);
  });

  test('unpacks an archive of another owner, as the SDK’s processing jobs do', async () => {
    const own = root('archive', { 'model/file': 'x' });
    const script = `
import os, subprocess, sys
os.chdir('/opt/ml')
subprocess.run(['tar', '--owner=4321', '--group=4321', '-czf', 'a.tar.gz', 'model/file'], check=True)
os.mkdir('unpacked')
sys.exit(subprocess.run(['tar', '-xzf', 'a.tar.gz', '-C', 'unpacked']).returncode)`;
    expect(await run(script, { root: own, network: false })).toMatchObject({ exitCode: 0, lines: [] });
    expect(readFileSync(join(own, 'unpacked/model/file'), 'utf8')).toBe('x');
  });

  test('finds the paths that the platform names where they are on AWS', async () => {
    const own = root('named');
    mkdirSync(join(own, 'code'));
    const named = await run('import os; print(os.getcwd(), os.environ["SM_MODEL_DIR"])', {
      root: own,
      cwd: join(own, 'code'),
      environment: { SM_MODEL_DIR: join(own, 'model') },
    });
    expect(named.lines).toEqual(['/opt/ml/code /opt/ml/model']);
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  return typeof address === 'object' && address ? address.port : 0;
}
