/** What stands in for SageMaker's images in a laptop cloud: the user's entries, then Flywheel's own. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './layout.ts';

/** The images files of a cloud's folder; where entries of both fit an image, the first file's wins. */
export const imagesFiles = (directory: string): readonly [own: string, standIns: string] => [
  join(directory, 'images.json'),
  join(directory, 'stand-ins.json'),
];

/**
 * `images.json` is the user's: made empty, then left alone (older versions wrote into it one entry, which is the first of
 * ours). `stand-ins.json` is ours: written at each start, so that a newer version's entries are there whatever the user's says.
 */
export function writeImages(directory: string): void {
  const [own, standIns] = imagesFiles(directory);
  if (!existsSync(own)) writeFileSync(own, '[]\n');
  writeFileSync(standIns, `${JSON.stringify(entries, null, 2)}\n`);
}

const venv = join(repository, '.flywheel/venv');
const entries = [
  {
    pattern: 'sagemaker-xgboost:',
    python: join(venv, 'models/bin/python'),
    toolkit: 'sagemaker-containers',
    serve: ['{python}', join(repository, 'models/common/serve.py')],
  },
  // Trains only: what it trained is served by the image above.
  {
    pattern: '/pytorch:',
    python: join(venv, 'tabular/bin/python'),
    needs: { file: join(venv, 'tabular/installed.json'), command: 'npm run setup -- --tabular' },
  },
];
