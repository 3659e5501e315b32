import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ManifestObject } from '../../lambdas/contract/records.ts';
import { channelManifest, manifestId, planVersion, uploaderOf } from '../../lambdas/domain/versions.ts';
import { projectSettings } from '../support/project.ts';
import { forAll } from './for-all.ts';

const object = (sha256: string, rows = 10, uploaded = 0): ManifestObject => ({
  sha256,
  bytes: 100,
  rows,
  upload: `flights/${sha256}.csv`,
  uploadVersion: 'v1',
  uploadedAt: new Date(Date.UTC(2026, 10, 24) + uploaded * 1000).toISOString(),
});
const append = projectSettings();
const snapshot = projectSettings({ data: { ...append.data, mode: 'snapshot' } });
const hashes = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 8 });

describe('planVersion', () => {
  it('appends new objects after those of the version before', () => {
    const plan = planVersion(append, [object('a')], [[object('b', 5, 1)]]);
    expect(plan).toMatchObject({ change: true, rows: 15 });
    if (plan.change) expect(plan.manifest.objects.map((each) => each.sha256)).toEqual(['a', 'b']);
  });

  it('replaces all of them in a snapshot', () => {
    const plan = planVersion(snapshot, [object('a')], [[object('b', 5, 1)]]);
    if (plan.change) expect(plan.manifest.objects.map((each) => each.sha256)).toEqual(['b']);
    expect(plan.change).toBe(true);
  });

  it('changes nothing when the content is there already', () => {
    forAll(hashes, (known) => {
      const first = planVersion(append, [], [known.map((each) => object(each))]);
      if (!first.change) return;
      for (const each of known)
        expect(planVersion(append, first.manifest.objects, [[object(each)]])).toEqual({ change: false });
    });
  });

  it('holds every object once, whatever is uploaded, in whatever pieces', () => {
    forAll(fc.array(hashes), (uploads) => {
      let present: readonly ManifestObject[] = [];
      for (const upload of uploads) {
        const plan = planVersion(append, present, [upload.map((each) => object(each))]);
        if (plan.change) present = plan.manifest.objects;
      }
      const all = present.map((each) => each.sha256);
      expect(new Set(all)).toEqual(new Set(uploads.flat()));
      expect(all.length).toBe(new Set(all).size);
    });
  });
});

describe('the order of events', () => {
  /** Uploads to three keys, one a second: each has a content of its own. */
  const uploads = fc
    .array(fc.constantFrom('x', 'y', 'z'), { minLength: 1, maxLength: 8 })
    .map((keys) =>
      keys.map((key, second) => ({ ...object(`${key}${second}`, 10, second), upload: `flights/${key}.csv` })),
    );
  const shuffled = uploads.chain((each) =>
    fc.tuple(fc.constant(each), fc.shuffledSubarray([...each, ...each], { minLength: each.length * 2 })),
  );
  const versionAfter = (settings: typeof append, events: readonly ManifestObject[]) => {
    let present: readonly ManifestObject[] = [];
    for (const event of events) {
      const plan = planVersion(settings, present, [[event]]);
      if (plan.change) present = plan.manifest.objects;
    }
    return present.map((each) => each.sha256);
  };

  it('does not matter, nor do repeats: append', () => {
    forAll(shuffled, ([inOrder, delivered]) => {
      expect(versionAfter(append, delivered)).toEqual(versionAfter(append, inOrder));
    });
  });

  it('does not matter, nor do repeats: snapshot', () => {
    forAll(shuffled, ([inOrder, delivered]) => {
      expect(versionAfter(snapshot, delivered)).toEqual([inOrder.at(-1)?.sha256]);
    });
  });

  it('an upload to the same key replaces the one before', () => {
    const first = object('a', 10, 0);
    const corrected = { ...object('b', 12, 5), upload: first.upload };
    const plan = planVersion(append, [first], [[corrected]]);
    expect(plan).toMatchObject({ change: true, rows: 12 });
    expect(planVersion(append, [corrected], [[first]])).toEqual({ change: false });
  });
});

describe('uploaderOf', () => {
  it('is the account or the AWS service that S3 names', () => {
    expect(uploaderOf('123456789012')).toBe('123456789012');
    expect(uploaderOf('s3.amazonaws.com')).toBe('s3.amazonaws.com');
    expect(uploaderOf('s3.amazonaws.com.cn')).toBe('s3.amazonaws.com.cn');
  });

  it('is unknown for every other text, the name of an agent of ours among them', () => {
    for (const requester of ['gate', 'arn:aws:iam::123456789012:user/ada', '12345678901', '', undefined])
      expect(uploaderOf(requester)).toBe('unknown');
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
