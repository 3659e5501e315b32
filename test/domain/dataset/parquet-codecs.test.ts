import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { compressors as everyCodec } from 'hyparquet-compressors';
import { snappyCompress } from 'hysnappy';
import { describe, expect, test } from 'vitest';
import { compressors } from '../../../lambdas/domain/dataset/parquet-codecs.ts';

const compress = {
  SNAPPY: snappyCompress,
  GZIP: (page: Uint8Array) => gzipSync(page),
  BROTLI: (page: Uint8Array) => brotliCompressSync(page),
  ZSTD: (page: Uint8Array) => zstdCompressSync(page),
  // A block of literals alone: all lengths here are below 15, the most that one token tells.
  LZ4_RAW: (page: Uint8Array) => Uint8Array.from([page.length << 4, ...page]),
} as const;

describe.each(['SNAPPY', 'GZIP', 'BROTLI', 'ZSTD', 'LZ4_RAW'] as const)('%s', (codec) => {
  const maximum = codec === 'LZ4_RAW' ? 14 : 20_000;
  test('gives back what was compressed', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: Math.min(maximum, 300) }),
        fc.integer({ min: 1, max: 60 }),
        (bytes, times) => {
          const page = repeated(bytes, times).slice(0, maximum);
          const result = compressors[codec]?.(compress[codec](page), page.length);
          expect(Buffer.compare(Buffer.from(result ?? []), page)).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
  });
});

test.each(['GZIP', 'BROTLI', 'ZSTD'] as const)('%s: a page longer than its header says is refused', (codec) => {
  const bomb = compress[codec](new Uint8Array(10_000_000));
  expect(bomb.length).toBeLessThan(20_000);
  expect(() => compressors[codec]?.(bomb, 1000)).toThrow(/larger than 1000 bytes/);
});

test('reads every codec that hyparquet-compressors has', () => {
  expect(Object.keys(compressors).sort()).toEqual(Object.keys(everyCodec).sort());
});

const repeated = (bytes: Uint8Array, times: number): Uint8Array =>
  Uint8Array.from({ length: bytes.length * times }, (_, index) => bytes[index % bytes.length] ?? 0);
