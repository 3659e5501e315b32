/** What of a baseline, and of the measurements with it, is taken from the code of a project: features that are its columns. */
import { type BaselineFile, PREDICTION } from '../../contract/model-files.ts';
import type { ProjectSettings } from '../../contract/settings.ts';
import { UnusableFile } from '../errors.ts';
import type { FeatureDrift } from './measure.ts';

type Columns = ProjectSettings['data']['columns'];

/** @throws UnusableFile for features that are no columns of the project, or are named twice: each is a metric that costs */
export function checkFeatures({ features, prediction }: BaselineFile, columns: Columns): void {
  const seen = new Set<string>();
  for (const { name } of features) {
    if (!Object.hasOwn(columns, name) || seen.has(name))
      throw new UnusableFile(
        `baseline.json names the feature ${name.slice(0, 100)}, expected each column of the project at most once`,
      );
    seen.add(name);
  }
  if (prediction.name !== PREDICTION)
    throw new UnusableFile(
      `baseline.json names its prediction ${prediction.name.slice(0, 100)}, expected ${PREDICTION}`,
    );
}

/**
 * Whose drift is recorded and told. A job may write over the baseline of a model that serves, and a column may have left the
 * settings since: such features are measured, and named nowhere.
 */
export function toldFeatures(
  { features, prediction }: { readonly features: readonly FeatureDrift[]; readonly prediction: FeatureDrift },
  columns: Columns,
): FeatureDrift[] {
  const byName = new Map(features.filter(({ name }) => Object.hasOwn(columns, name)).map((each) => [each.name, each]));
  return [...byName.values(), { ...prediction, name: PREDICTION }];
}
