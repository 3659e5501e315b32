import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { discoverProjects } from '../../lib/config/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'projects-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const add = (name: string, source: string) => {
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, 'project.ts'), source);
};
const discover = () => discoverProjects(pathToFileURL(`${folder}/`));

it('finds every folder, in the order of their names', async () => {
  add('zebra', "export const zebra = { input: { name: 'zebra' } };");
  add('ant', "export default { input: { name: 'ant' } };");
  writeFileSync(join(folder, 'README.md'), 'not a project');
  expect((await discover()).map((project) => project.folder)).toEqual(['ant', 'zebra']);
});

it('names the folder without a project', async () => {
  mkdirSync(join(folder, 'empty'));
  await expect(discover()).rejects.toThrow('projects/empty: got a folder without project.ts');
});

it('wants one project in a file', async () => {
  add('two', 'export const a = { input: {} }; export const b = { input: {} };');
  await expect(discover()).rejects.toThrow('projects/two: got 2 projects in project.ts');
});

it('refuses packages that a job could not install', async () => {
  add('loans', 'export default { input: {} };');
  mkdirSync(join(folder, 'loans', 'model'));
  writeFileSync(join(folder, 'loans', 'model', 'requirements.txt'), 'lightgbm\n');
  await expect(discover()).rejects.toThrow('projects/loans: got model/requirements.txt, which a container would');
});

it('finds the projects of this installation', async () => {
  const projects = await discoverProjects(new URL('../../projects/', import.meta.url));
  expect(projects.map((project) => project.folder)).toContain('flights');
});

it('sees that a project reads its hyperparameters by itself', async () => {
  for (const name of ['plain', 'features', 'script']) add(name, 'export default { input: {} };');
  for (const [name, file] of [
    ['features', 'features.py'],
    ['script', 'train.py'],
  ] as const) {
    mkdirSync(join(folder, name, 'model'));
    writeFileSync(join(folder, name, 'model', file), '');
  }
  const own = (await discover()).map((project) => [project.folder, project.ownHyperparameters]);
  expect(Object.fromEntries(own)).toEqual({ plain: false, features: false, script: true });
});
