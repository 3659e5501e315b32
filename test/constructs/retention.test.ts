/** What is kept, and for how long. */
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { installation, ofType, type SynthesizedStack, synthesize } from '../synthesis.ts';

let stacks: readonly SynthesizedStack[];
beforeAll(async () => {
  ({ stacks } = await synthesize(installation('flights')));
});

const lifecycle = z.object({
  LifecycleConfiguration: z.object({
    Rules: z.array(
      z.object({
        Prefix: z.string().optional(),
        ExpirationInDays: z.number().optional(),
        NoncurrentVersionExpiration: z.object({ NoncurrentDays: z.number() }).optional(),
        AbortIncompleteMultipartUpload: z.unknown().optional(),
      }),
    ),
  }),
});
const rulesOf = (bucket: string) =>
  ofType(stacks, 'AWS::S3::Bucket')
    .filter(([id]) => id.startsWith(bucket))
    .flatMap(([, { Properties }]) => lifecycle.parse(Properties).LifecycleConfiguration.Rules);

describe('objects', () => {
  it.each([
    ['Raw', undefined, 90],
    ['Dataset', 'quarantine/', 90],
    ['Model', 'models/flights/checkpoints/', 30],
    ['Capture', 'capture/', 90],
    ['AccessLogs', undefined, 365],
  ])('of the bucket %s under %s expire after %i days', (bucket, prefix, days) => {
    const expiring = rulesOf(bucket).filter((rule) => rule.ExpirationInDays !== undefined);
    expect(expiring.map((rule) => [rule.Prefix, rule.ExpirationInDays])).toEqual([[prefix, days]]);
  });

  it('of every bucket: replaced versions and unfinished uploads expire, too', () => {
    for (const bucket of ['Raw', 'Dataset', 'Model', 'Capture', 'AccessLogs']) {
      expect(
        rulesOf(bucket).some((rule) => rule.NoncurrentVersionExpiration !== undefined),
        bucket,
      ).toBe(true);
      expect(
        rulesOf(bucket).some((rule) => rule.AbortIncompleteMultipartUpload !== undefined),
        bucket,
      ).toBe(true);
    }
  });
});

it('the table is on demand, can be restored to any second of the last 35 days, and lets items expire', () => {
  expect(ofType(stacks, 'AWS::DynamoDB::Table').map(([, { Properties }]) => Properties)).toEqual([
    expect.objectContaining({
      BillingMode: 'PAY_PER_REQUEST',
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
    }),
  ]);
});

it('domain events can be replayed for 90 days', () => {
  expect(ofType(stacks, 'AWS::Events::Archive').map(([, { Properties }]) => Properties.RetentionDays)).toEqual([90]);
});

it('the key is rotated', () => {
  expect(ofType(stacks, 'AWS::KMS::Key').map(([, { Properties }]) => Properties.EnableKeyRotation)).toEqual([true]);
});
