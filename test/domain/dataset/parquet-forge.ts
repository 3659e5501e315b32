/** Writes Parquet files byte by byte, so that a test can make each number of them a lie. */
import { zstdCompressSync } from 'node:zlib';

/* ---- Thrift's compact protocol ---- */

type Field = readonly [id: number, value: ThriftValue];
export type ThriftValue =
  | { readonly i32: number }
  | { readonly i64: number }
  | { readonly text: string | Buffer }
  | { readonly list: readonly ThriftValue[]; readonly claims?: number }
  | { readonly struct: readonly Field[] }
  | { readonly raw: Buffer; readonly type: number };

export const struct = (...fields: readonly Field[]): ThriftValue => ({ struct: fields });
export const i32 = (value: number): ThriftValue => ({ i32: value });
export const i64 = (value: number): ThriftValue => ({ i64: value });
export const text = (value: string | Buffer): ThriftValue => ({ text: value });
export const list = (values: readonly ThriftValue[], claims?: number): ThriftValue => ({
  list: values,
  ...(claims !== undefined && { claims }),
});

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(value);
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}

const zigzag = (value: number): Buffer => varint(value < 0 ? -2 * value - 1 : 2 * value);

function typeOf(value: ThriftValue): number {
  if ('i32' in value) return 5;
  if ('i64' in value) return 6;
  if ('text' in value) return 8;
  if ('list' in value) return 9;
  return 'struct' in value ? 12 : value.type;
}

export function encode(value: ThriftValue): Buffer {
  if ('i32' in value) return zigzag(value.i32);
  if ('i64' in value) return zigzag(value.i64);
  if ('text' in value) return Buffer.concat([varint(Buffer.from(value.text).length), Buffer.from(value.text)]);
  if ('raw' in value) return value.raw;
  if ('list' in value) {
    const size = varint(value.claims ?? value.list.length);
    const [first] = value.list;
    return Buffer.concat([Buffer.from([0xf0 | (first ? typeOf(first) : 5)]), size, ...value.list.map(encode)]);
  }
  let last = 0;
  const fields = value.struct.map(([id, field]) => {
    const isShort = id > last && id - last < 16;
    const head = isShort
      ? Buffer.from([((id - last) << 4) | typeOf(field)])
      : Buffer.concat([Buffer.from([typeOf(field)]), zigzag(id)]);
    last = id;
    return Buffer.concat([head, encode(field)]);
  });
  return Buffer.concat([...fields, Buffer.from([0])]);
}

/* ---- Pages ---- */

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** Values of PLAIN BYTE_ARRAY. */
export const plainTexts = (...texts: readonly string[]): Buffer =>
  Buffer.concat(texts.flatMap((each) => [u32(Buffer.byteLength(each)), Buffer.from(each)]));

/** A run of one value, as long as it likes to claim. */
export const run = (length: number, value: number): Buffer => Buffer.concat([varint(length * 2), Buffer.from([value])]);

export interface PageClaims {
  readonly uncompressed?: number;
  readonly compressed?: number;
  readonly extra?: readonly Field[];
}

const page = (type: number, content: Buffer, [id, header]: Field, isZstd: boolean, claims: PageClaims): Buffer => {
  const stored = isZstd ? zstdCompressSync(content) : content;
  const [uncompressed, compressed] = [claims.uncompressed ?? content.length, claims.compressed ?? stored.length];
  const fields: Field[] = [
    [1, i32(type)],
    [2, i32(uncompressed)],
    [3, i32(compressed)],
    [id, header],
  ];
  return Buffer.concat([encode(struct(...fields, ...(claims.extra ?? []))), stored]);
};

export const dictionaryPage = (values: number, content: Buffer, isZstd = false, claims: PageClaims = {}): Buffer =>
  page(2, content, [7, struct([1, i32(values)], [2, i32(0)])], isZstd, claims);

export const dataPage = (
  values: number,
  encoding: number,
  content: Buffer,
  isZstd = false,
  claims: PageClaims = {},
): Buffer =>
  page(0, content, [5, struct([1, i32(values)], [2, i32(encoding)], [3, i32(3)], [4, i32(3)])], isZstd, claims);

export const dataPageV2 = (values: number, encoding: number, content: Buffer, levels = Buffer.alloc(0)): Buffer => {
  const fields: Field[] = [
    [1, i32(values)],
    [2, i32(0)],
    [3, i32(values)],
    [4, i32(encoding)],
    [5, i32(levels.length)],
    [6, i32(0)],
  ];
  return page(3, Buffer.concat([levels, content]), [8, struct(...fields)], false, {});
};

/** Definition levels of version 1. */
export const levels = (...runs: readonly Buffer[]): Buffer => Buffer.concat([u32(Buffer.concat(runs).length), ...runs]);

/* ---- Files ---- */

export interface ForgedColumn {
  readonly name: string;
  /** 0 boolean, 1 int32, 2 int64, 5 double, 6 byte array. */
  readonly type?: number;
  readonly isRequired?: boolean;
  readonly isZstd?: boolean;
  readonly isRepeated?: boolean;
  readonly isDecimal?: boolean;
  /** The largest value, as the footer has it. */
  readonly statistic?: Buffer;
  /** Pages of each row group. */
  readonly pages: readonly Buffer[];
  readonly claims?: { readonly offset?: number; readonly bytes?: number; readonly isNowhere?: boolean };
}

export interface ForgedFile {
  /** Each row group has the same rows and columns. */
  readonly rows: number;
  readonly columns: readonly ForgedColumn[];
  readonly groups?: number;
  /** Every row group points to the pages of the first. */
  readonly isShared?: boolean;
  readonly extraSchema?: readonly string[];
  readonly keyValues?: readonly (readonly [string, string])[];
}

export function forge({
  rows,
  columns,
  groups = 1,
  isShared = false,
  extraSchema = [],
  keyValues = [],
}: ForgedFile): Buffer {
  const parts: Buffer[] = [Buffer.from('PAR1')];
  let at = 4;
  let first: ThriftValue[] | undefined;
  const rowGroups = Array.from({ length: groups }, () => {
    const chunks =
      isShared && first
        ? first
        : columns.map((column) => {
            const bytes = Buffer.concat(column.pages);
            parts.push(bytes);
            const chunk = columnChunk(column, rows, at, bytes.length);
            at += bytes.length;
            return chunk;
          });
    first ??= chunks;
    return struct([1, list(chunks)], [2, i64(100)], [3, i64(rows)]);
  });
  const elements = [
    struct([4, text('schema')], [5, i32(columns.length + extraSchema.length)]),
    ...columns.map(schemaElement),
    ...extraSchema.map((name) => schemaElement({ name, pages: [] })),
  ];
  const pairs = keyValues.map(([key, value]) => struct([1, text(key)], [2, text(value)]));
  const footer = encode(
    struct(
      [1, i32(1)],
      [2, list(elements)],
      [3, i64(rows * groups)],
      [4, list(rowGroups)],
      ...(pairs.length > 0 ? [[5, list(pairs)] as const] : []),
    ),
  );
  return closed(Buffer.concat(parts), footer);
}

/** A file with this footer. */
export const closed = (body: Buffer, footer: Buffer): Buffer =>
  Buffer.concat([body, footer, u32(footer.length), Buffer.from('PAR1')]);

function schemaElement({ name, type = 6, isRequired, isRepeated, isDecimal }: ForgedColumn): ThriftValue {
  const fields: Field[] = [
    [1, i32(type)],
    [3, i32(isRepeated ? 2 : isRequired ? 0 : 1)],
    [4, text(name)],
  ];
  const converted = isDecimal ? 5 : type === 6 ? 0 : undefined;
  return struct(...fields, ...(converted === undefined ? [] : [[6, i32(converted)] as const]));
}

function columnChunk(
  { name, type = 6, isZstd, statistic, claims = {} }: ForgedColumn,
  rows: number,
  at: number,
  bytes: number,
): ThriftValue {
  const offset = claims.offset ?? at;
  const meta = struct(
    [1, i32(type)],
    [2, list([i32(0)])],
    [3, list([text(name)])],
    [4, i32(isZstd ? 6 : 0)],
    [5, i64(rows)],
    [6, i64(100)],
    ...(claims.isNowhere ? [] : [[7, i64(claims.bytes ?? bytes)] as const, [9, i64(offset)] as const]),
    ...(statistic ? [[12, struct([1, text(statistic)])] as const] : []),
  );
  return struct([2, i64(0)], [3, meta]);
}
