import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { extract } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeCodeArchive } from '../../lib/code-archive.ts';
import { defineFlywheel, type ProjectSettingsWithoutCode, tabular } from '../../lib/config/index.ts';
import { project } from '../synthesis.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'archive-'));
  write('models/common/values.py', 'common = 1\n');
  write('models/common/pyproject.toml', '[build-system]\n');
  write('models/common/tests/test_values.py', 'not shipped');
  write('models/common/__pycache__/values.pyc', 'not shipped');
  write('models/xgboost/train.py', 'train = 1\n');
  write('models/other/train.py', 'another algorithm');
});
afterEach(() => rmSync(root, { recursive: true }));

const write = (path: string, content: string, modified = new Date()) => {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  utimesSync(file, modified, modified);
};

function settings(change: Parameters<typeof project>[1] = {}, approval?: 'manual'): ProjectSettingsWithoutCode {
  const { environments } = defineFlywheel({
    environments: { dev: approval ? { approval } : {} },
    projects: [project('loans', change)],
  });
  const [made] = environments[0]?.projects ?? [];
  if (!made) throw new Error('expected a project');
  return made;
}

async function filesOf(bytes: Uint8Array): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const reader = extract();
  reader.end(gunzipSync(bytes));
  for await (const entry of reader) {
    files.set(entry.header.name, await text(entry));
  }
  return files;
}

describe('a code archive', () => {
  it('holds what runs: common code, how it is installed, the algorithm, the settings', async () => {
    const files = await filesOf((await makeCodeArchive(root, settings())).bytes);
    expect([...files.keys()]).toEqual([
      'common/pyproject.toml',
      'common/values.py',
      'project.json',
      'pyproject.toml',
      'train.py',
    ]);
    expect(JSON.parse(files.get('project.json') ?? '')).toMatchObject({
      name: 'loans',
      problem: { objective: 'binary' },
      training: { holdOut: 0.2, holdOutBy: 'row' },
    });
  });

  it('of the network has its scripts, without tests, and without the requirements of its environment here', async () => {
    const repository = join(import.meta.dirname, '../..');
    const network = settings({ training: { algorithm: tabular({ epochs: 3 }) } });
    const files = await filesOf((await makeCodeArchive(repository, network)).bytes);
    const names = [...files.keys()].filter((name) => !name.startsWith('common/'));
    expect(names).toEqual(expect.arrayContaining(['evaluate.py', 'inference.py', 'options.py', 'train.py']));
    expect(names.filter((name) => !/^(\w+\.py|project\.json|pyproject\.toml)$/.test(name))).toEqual([]);
    expect([...files.keys()].filter((name) => /test|cache|requirements/.test(name))).toEqual([]);
    expect(JSON.parse(files.get('project.json') ?? '')).toMatchObject({
      training: { algorithm: { name: 'tabular', hyperparameters: { epochs: '3' } } },
    });
  });

  it("lets the project's own model folder replace and add files", async () => {
    write('projects/loans/model/train.py', 'own = 1\n');
    write('projects/loans/model/features.py', 'features = 1\n');
    const files = await filesOf((await makeCodeArchive(root, settings())).bytes);
    expect(files.get('train.py')).toBe('own = 1\n');
    expect(files.has('features.py')).toBe(true);
  });

  it('has the same bytes whenever and in whatever order the files were written', async () => {
    const before = await makeCodeArchive(root, settings());
    rmSync(join(root, 'models'), { recursive: true });
    write('models/xgboost/train.py', 'train = 1\n', new Date('2001-01-01'));
    write('models/common/values.py', 'common = 1\n', new Date('2002-02-02'));
    write('models/common/pyproject.toml', '[build-system]\n', new Date('2003-03-03'));
    const after = await makeCodeArchive(root, settings());
    expect(after.sha256).toBe(before.sha256);
    expect(Buffer.compare(after.bytes, before.bytes)).toBe(0);
  });

  it('is another for another file or another hyperparameter', async () => {
    const hashes = [await makeCodeArchive(root, settings())];
    hashes.push(await makeCodeArchive(root, settings({ training: { holdOut: 0.3 } })));
    write('models/common/values.py', 'common = 2\n');
    hashes.push(await makeCodeArchive(root, settings()));
    expect(new Set(hashes.map((each) => each.sha256)).size).toBe(3);
  });

  it('is the same in an environment that differs in approval, monitoring or serving alone', async () => {
    const dev = await makeCodeArchive(root, settings());
    const prod = await makeCodeArchive(
      root,
      settings({ monitoring: { psi: 0.3 }, serving: { instanceCount: 4 } }, 'manual'),
    );
    expect(prod.sha256).toBe(dev.sha256);
  });
});
