/** The settings of this environment, written beside the bundle at synth. */
import { readFileSync } from 'node:fs';
import { type EnvironmentSettings, environmentSettings, type ProjectSettings } from '../contract/settings.ts';

/** @throws when the bundle holds no settings or settings of another shape: the deployment is broken, not the event. */
export function readSettings(): EnvironmentSettings {
  return environmentSettings.parse(JSON.parse(readFileSync(new URL('./settings.json', import.meta.url), 'utf8')));
}

/** @returns undefined for a project that `flywheel.config.ts` does not have. */
export function findProject(settings: EnvironmentSettings, name: string): ProjectSettings | undefined {
  return settings.projects.find((project) => project.name === name);
}

/** @throws UnknownProject */
export function projectNamed(settings: EnvironmentSettings, name: string): ProjectSettings {
  const project = findProject(settings, name);
  if (!project) throw new UnknownProject(name, settings);
  return project;
}

/** The details of the events that one for all projects is divided into. */
export function eachProject({ projects }: EnvironmentSettings): { readonly project: string }[] {
  return projects.map(({ name }) => ({ project: name }));
}

export class UnknownProject extends Error {
  override readonly name = 'UnknownProject';
  constructor(project: string, settings: EnvironmentSettings) {
    const known = settings.projects.map((each) => each.name).join(', ');
    super(`environment ${settings.name} has no project ${project} (it has: ${known || 'none'})`);
  }
}
