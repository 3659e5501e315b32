/** Finds the configuration of this installation: what the CDK app and the command line both read. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Flywheel } from './define-flywheel.ts';
import { ConfigurationError } from './problems.ts';

/**
 * The default export of `flywheel.config.ts` in the root of the repository. The environment variable `FLYWHEEL_CONFIG`
 * names another module in its place, by a path from the working directory.
 * @throws ConfigurationError for mistakes in it, and for a module that does not export what `defineFlywheel` returns
 */
export async function loadFlywheel(): Promise<Flywheel> {
  const chosen = process.env.FLYWHEEL_CONFIG;
  const file = chosen ? pathToFileURL(resolve(chosen)) : new URL('../../flywheel.config.ts', import.meta.url);
  const module: unknown = await import(file.href);
  const flywheel = typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined;
  if (isFlywheel(flywheel)) return flywheel;
  throw new ConfigurationError([
    {
      at: chosen ?? 'flywheel.config.ts',
      path: 'default',
      message: 'got something else, expected an export default of what defineFlywheel({...}) returns',
    },
  ]);
}

function isFlywheel(value: unknown): value is Flywheel {
  return typeof value === 'object' && value !== null && 'environments' in value && Array.isArray(value.environments);
}
