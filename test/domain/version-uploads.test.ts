/** The uploads that a version names: as many as its event has room for. EventBridge takes 256 kB a request. */
import { expect, it } from 'vitest';
import { recordLimits } from '../../lambdas/contract/limits.ts';
import { datasetVersionRecord } from '../../lambdas/contract/records.ts';
import { planVersion } from '../../lambdas/domain/versions.ts';
import { versionWrites } from '../../lambdas/stores/version-writes.ts';
import { projectSettings } from '../support/project.ts';

const at = '2026-01-01T00:00:00.000Z';

function named(keys: readonly string[]): readonly string[] {
  const project = projectSettings();
  const taken = keys.map((upload, index) => {
    const sha256 = index.toString(16).padStart(64, '0');
    const object = { sha256, bytes: 1, rows: 1, upload, uploadVersion: '1', uploadedAt: at };
    const accepted = { schemaVersion: 1 as const, batch: `${index}`, at, files: [{ uploadedBy: 'unknown', object }] };
    return { key: { pk: 'p', sk: `${index}` }, upload: accepted };
  });
  const objects = taken.map(({ upload }) => upload.files.map((file) => file.object));
  const plan = planVersion(project, [], objects);
  if (!plan.change) throw new Error('no version');
  const [version] = versionWrites(project, { revision: 0 }, 1, plan, taken, at);
  if (version?.kind !== 'create') throw new Error('no version');
  return datasetVersionRecord.parse(version.record).uploads;
}

it('are all of a few, and a hundred of many', () => {
  const keys = Array.from({ length: 150 }, (_, index) => `flights/${index}.csv`);
  expect(named(keys.slice(0, 48))).toEqual(keys.slice(0, 48));
  expect(named(keys)).toEqual(keys.slice(0, 100));
});

it('are cut by their JSON: a control character has six bytes', () => {
  const keys = Array.from({ length: 48 }, (_, index) => `flights/${index}${'\u0001'.repeat(1000)}`);
  const names = named(keys);
  expect(names).toEqual(keys.slice(0, names.length));
  expect(names.length).toBeGreaterThan(5);
  expect(Buffer.byteLength(JSON.stringify(names))).toBeLessThanOrEqual(recordLimits.uploadsBytes);
});
