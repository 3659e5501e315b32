/** Finds the projects of an installation: each folder with a `project.ts` that exports what `defineProject` returns. */
import { existsSync, readdirSync } from 'node:fs';
import { ConfigurationError } from './problems.ts';
import type { ProjectDefinition } from './project-input.ts';

/**
 * @param folder URL of the folder `projects/`, ending in a slash
 * @throws ConfigurationError for a folder without a usable `project.ts`
 */
export async function discoverProjects(folder: URL): Promise<ProjectDefinition[]> {
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .sort();
  return Promise.all(names.map((name) => load(folder, name)));
}

async function load(folder: URL, name: string): Promise<ProjectDefinition> {
  const file = new URL(`${name}/project.ts`, folder);
  const fail = (message: string) => new ConfigurationError([{ at: `projects/${name}`, path: '', message }]);
  if (!existsSync(file)) throw fail('got a folder without project.ts, expected one that exports defineProject({...})');
  const module: unknown = await import(file.href);
  const [definition, ...more] = Object.values(module ?? {}).filter(isDefinition);
  if (!definition || more.length > 0)
    throw fail(
      `got ${more.length + (definition ? 1 : 0)} projects in project.ts, expected one export made by defineProject({...})`,
    );
  if (existsSync(new URL(`${name}/model/requirements.txt`, folder)))
    throw fail(
      "got model/requirements.txt, which a container would install: jobs and endpoints have no network. Use what AWS's image has, or put a package's Python files into model/",
    );
  const ownHyperparameters = ['train.py', 'options.py'].some((script) =>
    existsSync(new URL(`${name}/model/${script}`, folder)),
  );
  return { ...definition, folder: name, ownHyperparameters };
}

function isDefinition(value: unknown): value is ProjectDefinition {
  return typeof value === 'object' && value !== null && 'input' in value;
}
