/**
 * Reads Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md), in
 * which Parquet writes its footer and its page headers, and trusts nothing: no list is longer than the bytes that are
 * left, no number longer than its type, no text over the limit, and structs nest no deeper than Parquet's do. What passes
 * here, hyparquet parses in time and memory that grow with the bytes.
 */
import { ByteReader, DamagedParquet, VARINT_64 } from './parquet-bytes.ts';

/**
 * Called for each number of up to 32 bits, boolean (1, 0) and struct (0), with the ids of the fields that lead to it:
 * `5.1` is field 1 of the struct in field 5.
 */
export type NumberVisitor = (path: string, value: number) => void;

/** Deepest in Parquet: footer, row group, column, its metadata, statistics by place. */
const MAXIMUM_DEPTH = 12;
/** A statistic's extreme value, a name; pyarrow writes none over 4 kB. Texts of key-value metadata are nearer to the root. */
const DEEP_TEXT_BYTES = 8192;
const DEEP = 3;

/** @returns the place after the struct. @throws DamagedParquet */
export function checkStruct(bytes: Uint8Array, start: number, visit?: NumberVisitor): number {
  const reader = new StructReader(bytes, start, visit);
  reader.struct('', 0);
  return reader.at;
}

class StructReader extends ByteReader {
  readonly #visit: NumberVisitor | undefined;

  constructor(bytes: Uint8Array, start: number, visit: NumberVisitor | undefined) {
    super(bytes, start);
    this.#visit = visit;
  }

  struct(path: string, depth: number): void {
    if (depth > MAXIMUM_DEPTH) throw new DamagedParquet('structs nest too deep');
    let field = 0;
    for (;;) {
      const byte = this.byte();
      const type = byte & 0x0f;
      if (type === 0) return;
      const delta = byte >> 4;
      field = delta ? field + delta : zigzag(this.varint());
      // A footer has millions of fields, and nobody asks for their paths.
      this.#value(type, this.#visit ? `${path}${path && '.'}${field}` : '', depth);
    }
  }

  #value(type: number, path: string, depth: number): void {
    // 1 and 2 are true and false, which have no bytes; 9 and 12 a list and a struct.
    if (type === 1 || type === 2) this.#visit?.(path, 2 - type);
    else if (type === 3) this.skip(1);
    else if (type === 4 || type === 5) this.#number(path);
    else if (type === 6) this.varint(VARINT_64);
    else if (type === 7) this.skip(8);
    else if (type === 8) this.#text(depth);
    else if (type === 9) this.#list(path, depth);
    else if (type === 12) {
      this.#visit?.(path, 0);
      this.struct(path, depth + 1);
    } else throw new DamagedParquet(`type ${type} is none that Parquet uses`);
  }

  #number(path: string): void {
    const value = zigzag(this.varint());
    this.#visit?.(path, value);
  }

  #text(depth: number): void {
    const length = this.varint();
    if (depth >= DEEP && length > DEEP_TEXT_BYTES)
      throw new DamagedParquet(`a text of ${length} bytes in the metadata`);
    this.skip(length);
  }

  #list(path: string, depth: number): void {
    if (depth > MAXIMUM_DEPTH) throw new DamagedParquet('lists nest too deep');
    const byte = this.byte();
    const type = byte & 0x0f;
    const size = byte >> 4 === 15 ? this.varint() : byte >> 4;
    // An element has at least one byte, a boolean too.
    if (size < 0 || size > this.left) throw new DamagedParquet('a list is longer than the file');
    for (let index = 0; index < size; index++) this.#value(type <= 2 ? 3 : type, `${path}[]`, depth + 1);
  }
}

const zigzag = (value: number): number => (value >>> 1) ^ -(value & 1);
