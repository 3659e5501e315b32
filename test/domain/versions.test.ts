import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ManifestObject } from '../../lambdas/contract/records.ts';
import { channelManifest, manifestId, planVersion } from '../../lambdas/domain/versions.ts';
import { projectSettings } from '../support/project.ts';
import { forAll } from './for-all.ts';

const object = (sha256: string, rows = 10): ManifestObject => ({
  sha256,
  bytes: 100,
  rows,
  upload: `flights/${sha256}.csv`,
  uploadVersion: 'v1',
  registeredAt: '2026-11-24T12:00:00Z',
});
const append = projectSettings();
const snapshot = projectSettings({ data: { ...append.data, mode: 'snapshot' } });
const hashes = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 8 });

describe('planVersion', () => {
  it('appends new objects after those of the version before', () => {
    const plan = planVersion(append, [object('a')], [object('b', 5)]);
    expect(plan).toMatchObject({ change: true, rows: 15 });
    if (plan.change) expect(plan.manifest.objects.map((each) => each.sha256)).toEqual(['a', 'b']);
  });

  it('replaces all of them in a snapshot', () => {
    const plan = planVersion(snapshot, [object('a')], [object('b', 5)]);
    if (plan.change) expect(plan.manifest.objects.map((each) => each.sha256)).toEqual(['b']);
    expect(plan.change).toBe(true);
  });

  it('changes nothing when the content is there already', () => {
    forAll(hashes, (known) => {
      const first = planVersion(
        append,
        [],
        known.map((each) => object(each)),
      );
      if (!first.change) return;
      for (const each of known)
        expect(planVersion(append, first.manifest.objects, [object(each)])).toEqual({ change: false });
    });
  });

  it('holds every object once, whatever is uploaded, in whatever pieces', () => {
    forAll(fc.array(hashes), (uploads) => {
      let present: readonly ManifestObject[] = [];
      for (const upload of uploads) {
        const plan = planVersion(
          append,
          present,
          upload.map((each) => object(each)),
        );
        if (plan.change) present = plan.manifest.objects;
      }
      const all = present.map((each) => each.sha256);
      expect(new Set(all)).toEqual(new Set(uploads.flat()));
      expect(all.length).toBe(new Set(all).size);
    });
  });
});

describe('manifestId', () => {
  it('tells apart other contents and other orders', () => {
    forAll(fc.tuple(hashes, hashes), ([a, b]) => {
      const same = JSON.stringify(a) === JSON.stringify(b);
      const id = (of: string[]) => manifestId(of.map((sha256) => ({ sha256 })));
      expect(id(a) === id(b)).toBe(same);
    });
  });
});

it('channelManifest is SageMaker ManifestFile: a prefix, then keys under it', () => {
  expect(channelManifest('bucket', 'datasets/flights/objects/', [object('a'), object('b')])).toEqual([
    { prefix: 's3://bucket/datasets/flights/objects/' },
    'a',
    'b',
  ]);
});
