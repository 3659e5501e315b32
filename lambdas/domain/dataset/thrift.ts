/**
 * Reads Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md), in
 * which Parquet writes its footer and its page headers, and trusts nothing: no list is longer than the bytes that are
 * left, no number longer than its type, no text over the limit, and structs nest no deeper than Parquet's do. What passes
 * here, hyparquet parses in time and memory that grow with the bytes.
 */
export class BrokenThrift extends Error {}

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
const VARINT_32 = 5;
const VARINT_64 = 10;

/** @returns the place after the struct. @throws BrokenThrift */
export function checkStruct(view: DataView, start: number, visit?: NumberVisitor): number {
  const reader = new Reader(view, start, visit);
  reader.struct('', 0);
  return reader.at;
}

class Reader {
  at: number;
  readonly #view: DataView;
  readonly #visit: NumberVisitor | undefined;

  constructor(view: DataView, start: number, visit: NumberVisitor | undefined) {
    this.#view = view;
    this.at = start;
    this.#visit = visit;
  }

  struct(path: string, depth: number): void {
    if (depth > MAXIMUM_DEPTH) throw new BrokenThrift('structs nest too deep');
    let field = 0;
    for (;;) {
      const byte = this.#byte();
      const type = byte & 0x0f;
      if (type === 0) return;
      const delta = byte >> 4;
      field = delta ? field + delta : zigzag(this.varint(VARINT_32));
      // A footer has millions of fields, and nobody asks for their paths.
      this.#value(type, this.#visit ? `${path}${path && '.'}${field}` : '', depth);
    }
  }

  /** The low 32 bits, as hyparquet has them. */
  varint(longest: number): number {
    let value = 0;
    for (let index = 0; index < longest; index++) {
      const byte = this.#byte();
      if (index < VARINT_32) value |= (byte & 0x7f) << (7 * index);
      if (!(byte & 0x80)) return value;
    }
    throw new BrokenThrift('a number is longer than its type');
  }

  #value(type: number, path: string, depth: number): void {
    // 1 and 2 are true and false, which have no bytes; 9 and 12 a list and a struct.
    if (type === 1 || type === 2) this.#visit?.(path, 2 - type);
    else if (type === 3) this.#skip(1);
    else if (type === 4 || type === 5) this.#number(path);
    else if (type === 6) this.varint(VARINT_64);
    else if (type === 7) this.#skip(8);
    else if (type === 8) this.#text(depth);
    else if (type === 9) this.#list(path, depth);
    else if (type === 12) {
      this.#visit?.(path, 0);
      this.struct(path, depth + 1);
    } else throw new BrokenThrift(`type ${type} is none that Parquet uses`);
  }

  #number(path: string): void {
    const value = zigzag(this.varint(VARINT_32));
    this.#visit?.(path, value);
  }

  #text(depth: number): void {
    const length = this.varint(VARINT_32);
    if (depth >= DEEP && length > DEEP_TEXT_BYTES) throw new BrokenThrift(`a text of ${length} bytes in the metadata`);
    this.#skip(length);
  }

  #list(path: string, depth: number): void {
    if (depth > MAXIMUM_DEPTH) throw new BrokenThrift('lists nest too deep');
    const byte = this.#byte();
    const type = byte & 0x0f;
    const size = byte >> 4 === 15 ? this.varint(VARINT_32) : byte >> 4;
    // An element has at least one byte, a boolean too.
    if (size < 0 || size > this.#view.byteLength - this.at) throw new BrokenThrift('a list is longer than the file');
    for (let index = 0; index < size; index++) this.#value(type <= 2 ? 3 : type, `${path}[]`, depth + 1);
  }

  #byte(): number {
    if (this.at >= this.#view.byteLength) throw new BrokenThrift('the metadata end in the middle');
    return this.#view.getUint8(this.at++);
  }

  #skip(length: number): void {
    if (length < 0 || length > this.#view.byteLength - this.at)
      throw new BrokenThrift('a text is longer than the file');
    this.at += length;
  }
}

const zigzag = (value: number): number => (value >>> 1) ^ -(value & 1);
