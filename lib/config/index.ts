/** What `flywheel.config.ts` and `projects/<name>/project.ts` import. */
export { feature, id, ignore, label, time } from './columns.ts';
export { defineFlywheel, type Environment, type Flywheel } from './define-flywheel.ts';
export { discoverProjects } from './discover-projects.ts';
export { type Duration, days, hours, minutes, seconds } from './duration.ts';
export { ConfigurationError } from './problems.ts';
export { defineProject, type ProjectDefinition, type ProjectInput } from './project-input.ts';
export type { ProjectSettingsWithoutCode } from './project-settings.ts';
export { onDemand, onDrift, onUpload, tabular, xgboost } from './training.ts';
