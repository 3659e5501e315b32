/**
 * Decompressors of Parquet pages. Node has gzip, Brotli and zstd in itself, which is faster than the same in JavaScript
 * and saves the 120 kB of Brotli's dictionary; Snappy and LZ4, in Parquet's framing, are those of hyparquet-compressors.
 * A page that grows beyond the length that its header states is refused before it fills the memory.
 */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { Compressors } from 'hyparquet';
import { decompressLz4, decompressLz4Raw, decompressSnappy } from 'hyparquet-compressors';

export const compressors: Compressors = {
  SNAPPY: decompressSnappy,
  GZIP: (page, length) => gunzipSync(page, atMost(length)),
  BROTLI: (page, length) => brotliDecompressSync(page, atMost(length)),
  ZSTD: (page, length) => zstdDecompressSync(page, atMost(length)),
  LZ4: decompressLz4,
  LZ4_RAW: decompressLz4Raw,
};

/** zlib takes no limit of 0 bytes. */
const atMost = (length: number) => ({ maxOutputLength: Math.max(1, length) });
