/** Bytes of a Parquet file in order. Its headers may say anything: every length is asked for before it is read. */

/** The file is not what its headers say; its report has the code `damaged-parquet`. */
export class DamagedParquet extends Error {}

/** Bytes of a number of 32 and of 64 bits, at most. */
const VARINT_32 = 5;
export const VARINT_64 = 10;

/** @throws DamagedParquet for every read past the end */
export class ByteReader {
  at: number;
  readonly view: DataView;

  constructor(bytes: Uint8Array, at = 0) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  get left(): number {
    return this.view.byteLength - this.at;
  }

  byte(): number {
    this.need(1);
    return this.view.getUint8(this.at++);
  }

  length32(): number {
    this.need(4);
    const value = this.view.getUint32(this.at, true);
    this.at += 4;
    return value;
  }

  skip(bytes: number): void {
    this.need(bytes);
    this.at += bytes;
  }

  need(bytes: number): void {
    if (!(bytes >= 0 && bytes <= this.left))
      throw new DamagedParquet(`a page or the metadata end before ${bytes} more bytes`);
  }

  /** The low 32 bits of a variable-length number of at most `longest` bytes, as hyparquet has them. */
  varint(longest = VARINT_32): number {
    let value = 0;
    for (let index = 0; index < longest; index++) {
      const byte = this.byte();
      if (index < VARINT_32) value |= (byte & 0x7f) << (7 * index);
      if (!(byte & 0x80)) return value;
    }
    throw new DamagedParquet('a number is longer than its type');
  }
}
