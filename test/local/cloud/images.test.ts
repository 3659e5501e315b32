import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { imagesFiles, writeImages } from '../../../local/cloud/images.ts';
import { repository } from '../../../local/cloud/layout.ts';
import { imageFor, readImages } from '../../../local/sagemaker/container/images.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'images-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const own = () => imagesFiles(directory)[0];
/** What a cloud that starts in the folder finds, where PyTorch is installed. */
function entries() {
  writeImages(directory);
  const { file, entries } = readImages(...imagesFiles(directory));
  return { file, entries: entries.map(({ needs: _, ...entry }) => entry) };
}
const XGBOOST = '683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0';
const PYTORCH = '763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.13-cu133-amzn2023-sagemaker';
const pythonOf = (environment: string) => join(repository, '.flywheel/venv', environment, 'bin/python');

it('stand in for the image that trains a network and for the one that serves it', () => {
  expect(imageFor(entries(), PYTORCH)).toMatchObject({ python: pythonOf('tabular') });
  expect(imageFor(entries(), PYTORCH).serve).toBeUndefined();
  expect(imageFor(entries(), XGBOOST)).toMatchObject({ python: pythonOf('models') });
});

it('give way to those of the user, whose file stays as it is', () => {
  const written = JSON.stringify([{ pattern: 'sagemaker-xgboost:', python: '/own/python', serve: ['/own/serve'] }]);
  writeFileSync(own(), written);
  expect(imageFor(entries(), XGBOOST).python).toBe('/own/python');
  expect(readFileSync(own(), 'utf8')).toBe(written);
});

it('are all there in a folder whose images.json an older version wrote', () => {
  const serve = ['{python}', join(repository, 'models/common/serve.py')];
  writeFileSync(own(), JSON.stringify([{ pattern: 'sagemaker-xgboost:', python: pythonOf('models'), serve }]));
  expect(imageFor(entries(), PYTORCH).python).toBe(pythonOf('tabular'));
});

it('of a later start are those of that version', () => {
  writeFileSync(imagesFiles(directory)[1], '[]');
  expect(imageFor(entries(), PYTORCH).python).toBe(pythonOf('tabular'));
});

it('are added to in the file of the user', () => {
  expect(() => imageFor(entries(), 'registry/own:1')).toThrow(`for it to ${own()}`);
});
