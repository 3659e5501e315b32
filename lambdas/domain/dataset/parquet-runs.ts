/**
 * Runs of Parquet's encodings, measured without being unpacked: a run of five bytes may claim two thousand million values.
 * https://parquet.apache.org/docs/file-format/data-pages/encodings/
 */
import { type ByteReader, DamagedParquet, VARINT_64 } from './parquet-bytes.ts';

/** Values by which the last run may be longer than what is wanted: bit-packed runs come in eights. */
const PADDING = 7;

/**
 * Goes over the runs of `count` values of `width` bits (RLE and bit-packing hybrid).
 * @returns how many values are 1, for definition levels.
 */
export function checkRuns(bytes: ByteReader, width: number, count: number): number {
  if (width > 32) throw new DamagedParquet(`values of ${width} bits`);
  let seen = 0;
  let ones = 0;
  while (seen < count) {
    const header = bytes.varint() >>> 0;
    const isPacked = (header & 1) === 1;
    const length = isPacked ? (header >>> 1) * 8 : header >>> 1;
    if (length > count - seen + PADDING)
      throw new DamagedParquet(`a run of ${length} values where ${count - seen} are left`);
    if (!isPacked) {
      const value = width === 0 ? 0 : bytes.byte();
      if (width > 8) bytes.skip(((width + 7) >> 3) - 1);
      if (value === 1) ones += Math.min(length, count - seen);
    } else if (width === 1) ones += packedOnes(bytes, Math.min(length, count - seen), length);
    // A writer may leave out the padding of the last run.
    else bytes.skip(Math.min((length / 8) * width, bytes.left));
    seen += length;
  }
  return ones;
}

function packedOnes(bytes: ByteReader, wanted: number, length: number): number {
  let ones = 0;
  for (let value = 0; value < length; value += 8) {
    if (bytes.left === 0) break;
    const byte = bytes.byte();
    for (let bit = 0; bit < 8 && value + bit < wanted; bit++) ones += (byte >> bit) & 1;
  }
  return ones;
}

/** Values in a block of DELTA_BINARY_PACKED, at most; writers use 128 or 256. */
const MAXIMUM_BLOCK = 1 << 16;

/**
 * Reads `count` 32-bit values of DELTA_BINARY_PACKED, the lengths of texts, or goes over 64-bit ones without reading them.
 * A block that is not as the specification wants it is refused: readers disagree about where the next one starts.
 */
export function readDeltas(bytes: ByteReader, count: number, isRead: boolean): Int32Array {
  const blockSize = bytes.varint();
  const miniblocks = bytes.varint();
  bytes.varint();
  const perMiniblock = blockSize / miniblocks;
  const isBlock = blockSize > 0 && blockSize <= MAXIMUM_BLOCK && miniblocks > 0 && perMiniblock % 32 === 0;
  if (!isBlock) throw new DamagedParquet(`a delta block of ${blockSize} values in ${miniblocks} parts`);
  const values = new Int32Array(isRead ? count : 0);
  let value = readZigzag(bytes);
  if (count > 0) values[0] = value;
  for (let index = 1; index < count; ) {
    const minimum = readZigzag(bytes);
    const widths = bytes.at;
    bytes.skip(miniblocks);
    for (let part = 0; part < miniblocks && index < count; part++) {
      const width = bytes.view.getUint8(widths + part);
      if (width > 64) throw new DamagedParquet(`deltas of ${width} bits`);
      const start = bytes.at;
      const wanted = Math.min(perMiniblock, count - index);
      // The last part may be cut after its last value.
      bytes.skip(
        index + perMiniblock >= count ? Math.min((perMiniblock * width) / 8, bytes.left) : (perMiniblock * width) / 8,
      );
      for (let each = 0; isRead && each < wanted; each++) {
        value = (value + minimum + bitsAt(bytes.view, start, each * width, width)) | 0;
        values[index + each] = value;
      }
      index += wanted;
    }
  }
  return values;
}

/** Modulo 2^32, as 32-bit values wrap. */
function readZigzag(bytes: ByteReader): number {
  const start = bytes.at;
  const low = bytes.varint(VARINT_64);
  const high = bytes.at - start >= 5 ? (bytes.view.getUint8(start + 4) >>> 4) & 1 : 0;
  return ((low >>> 1) | (high << 31)) ^ -(low & 1);
}

/** The low 32 bits of a value of `width` bits. */
function bitsAt(view: DataView, start: number, bit: number, width: number): number {
  let value = 0;
  for (let read = 0; read < Math.min(width, 32); ) {
    const at = start + ((bit + read) >> 3);
    if (at >= view.byteLength) throw new DamagedParquet('a page ends inside of its deltas');
    const offset = (bit + read) & 7;
    const take = Math.min(8 - offset, Math.min(width, 32) - read);
    value |= ((view.getUint8(at) >>> offset) & ((1 << take) - 1)) << read;
    read += take;
  }
  return value;
}
