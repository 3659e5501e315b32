/** One installation of Flywheel: its environments and its projects, checked as a whole. */
import { type EnvironmentBase, type EnvironmentInput, parseEnvironment } from './environments.ts';
import { parseProject } from './parse-project.ts';
import { ConfigurationError, type Problem, show } from './problems.ts';
import type { ProjectDefinition } from './project-input.ts';
import type { ProjectSettingsWithoutCode } from './project-settings.ts';

export interface FlywheelInput {
  readonly environments: Readonly<Record<string, EnvironmentInput>>;
  readonly projects: readonly ProjectDefinition[];
}

/** An environment with every default filled in, and its projects as they are to run there. */
export type Environment = EnvironmentBase & { readonly projects: readonly ProjectSettingsWithoutCode[] };

export interface Flywheel {
  readonly environments: readonly Environment[];
}

/** @throws ConfigurationError that lists every mistake of every environment and project. */
export function defineFlywheel(input: FlywheelInput): Flywheel {
  const problems: Problem[] = [];
  const projects = input.projects.flatMap((definition, position) => {
    const parsed = parseDefinition(definition, position);
    if ('name' in parsed) return [parsed];
    problems.push(...parsed);
    return [];
  });
  problems.push(...repeatedNames(projects));

  const environments = Object.entries(input.environments).flatMap(([name, environment]) => {
    const parsed = parseEnvironment(name, environment);
    if ('name' in parsed) return [{ ...parsed, projects: projects.map((each) => asIn(parsed, each)) }];
    problems.push(...parsed);
    return [];
  });
  if (Object.keys(input.environments).length === 0)
    problems.push({
      at: 'environments',
      path: '',
      message: 'got none, expected at least one, for example { dev: {} }',
    });

  if (problems.length > 0) throw new ConfigurationError(problems);
  return { environments };
}

function parseDefinition({ input, folder, ownHyperparameters = false }: ProjectDefinition, position: number) {
  // A name that is no text is a mistake to be told, not to be printed.
  const at = `projects/${folder ?? (typeof input.name === 'string' ? input.name : position)}`;
  const parsed = parseProject(input, at, ownHyperparameters);
  if ('name' in parsed && folder !== undefined && parsed.name !== folder)
    return [
      { at, path: 'name', message: `got ${show(parsed.name)}, expected the name of its folder, ${show(folder)}` },
    ];
  return parsed;
}

function repeatedNames(projects: readonly ProjectSettingsWithoutCode[]): Problem[] {
  const names = projects.map((project) => project.name);
  const repeated = new Set(names.filter((name, position) => names.indexOf(name) !== position));
  return [...repeated].map((name) => ({
    at: `projects/${name}`,
    path: 'name',
    message: `got ${show(name)} for two projects, expected a name of its own for each`,
  }));
}

/** A project as one environment runs it: the stricter approval of both, and the environment's own canary. */
function asIn(
  { approval, canaryBake }: EnvironmentBase,
  project: ProjectSettingsWithoutCode,
): ProjectSettingsWithoutCode {
  const { gate, serving } = project;
  return {
    ...project,
    gate: approval === 'manual' ? { ...gate, approval } : gate,
    serving:
      canaryBake === undefined ? serving : { ...serving, canary: { ...serving.canary, bakeSeconds: canaryBake } },
  };
}
