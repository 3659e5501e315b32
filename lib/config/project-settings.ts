import type * as z from 'zod';
import { omit } from 'zod/mini';
import { projectSettings } from '../../lambdas/contract/settings.ts';

export const settingsWithoutCode = omit(projectSettings, { code: true });
/** Settings before the code archive has been made: its hash is added when the bundles are. */
export type ProjectSettingsWithoutCode = z.infer<typeof settingsWithoutCode>;
