/**
 * Decompressors of Parquet pages. Node itself has gzip, Brotli and zstd: native code, and 110 kB less in the bundle than
 * the same in JavaScript. A page that grows beyond the length in its header is refused before it fills the memory.
 */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { Compressors } from 'hyparquet';
import { decompressLz4, decompressLz4Raw } from 'hyparquet-compressors';
import { snappyUncompressor } from 'hysnappy';

export const compressors: Compressors = {
  SNAPPY: snappyUncompressor(),
  GZIP: (page, length) => gunzipSync(page, atMost(length)),
  BROTLI: (page, length) => brotliDecompressSync(page, atMost(length)),
  ZSTD: (page, length) => zstdDecompressSync(page, atMost(length)),
  LZ4: decompressLz4,
  LZ4_RAW: decompressLz4Raw,
};

/** zlib takes no limit of 0 bytes. */
const atMost = (length: number) => ({ maxOutputLength: Math.max(1, length) });
