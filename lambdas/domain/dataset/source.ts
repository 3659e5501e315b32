/** The bytes of an upload: read once in order, hashed on the way, and told apart by how they begin. */
import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Refusal } from './report.ts';

/** A stored object. Parquet is read in ranges, everything else in one go. */
export interface ByteSource {
  /** In bytes. */
  readonly size: number;
  /** Bytes [start, end); all of them without a range. */
  read(range?: { readonly start: number; readonly end: number }): Promise<AsyncIterable<Uint8Array>>;
}

/** The bytes of a source in order, with their hash. Whoever stops early calls `drain`: the hash is that of all bytes. */
export class HashedBytes {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #hash = createHash('sha256');
  #head: Uint8Array[] = [];
  #bytes = 0;
  /** Reads come one after the other, also while a stream that was given up still waits for its own. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#chunks = bytes[Symbol.asyncIterator]();
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The first bytes, at least `length` where there are so many; `next` gives them again. */
  async head(length: number): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    while (chunks.reduce((sum, chunk) => sum + chunk.length, 0) < length) {
      const chunk = await this.next();
      if (!chunk) break;
      chunks.push(chunk);
    }
    this.#head = [...chunks, ...this.#head];
    return Buffer.concat(chunks);
  }

  next(): Promise<Uint8Array | undefined> {
    const read = this.#last.then(() => this.#head.shift() ?? this.#read());
    // The caller gets the failure; the chain only keeps the order.
    this.#last = read.catch(() => undefined);
    return read;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.next(); chunk; chunk = await this.next()) yield chunk;
  }

  async drain(): Promise<void> {
    while (await this.next());
  }

  /** Hexadecimal; only after the last byte. */
  sha256(): string {
    return this.#hash.digest('hex');
  }

  async #read(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.#chunks.next();
    if (done) return undefined;
    this.#hash.update(value);
    this.#bytes += value.length;
    return value;
  }
}

/** Content of gzip, given its bytes: several members in a row are one content. Throws Refusal for broken ones. */
export async function* gunzipped(bytes: HashedBytes): AsyncGenerator<Uint8Array> {
  const content = pipeline(Readable.from(bytes), createGunzip({ chunkSize: 1 << 17 }), () => {
    // The failure is thrown where the content is read.
  });
  try {
    for await (const chunk of content) yield chunk;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'Z_BUF_ERROR') {
      throw new Refusal('truncated-gzip', 'the gzip file ends before its content does', UPLOAD_AGAIN);
    }
    if (typeof code !== 'string' || !code.startsWith('Z_')) throw error;
    throw new Refusal('damaged-gzip', 'the gzip file is damaged', UPLOAD_AGAIN);
  }
}

const UPLOAD_AGAIN = 'write the file again, check it with `gzip -t FILE`, and upload it again';

/** What the first bytes say that a file is, for people; undefined for what may be text. */
export function recognize(head: Buffer): string | undefined {
  return signatures.find(([magic]) => head.subarray(0, magic.length).equals(magic))?.[1];
}

export const isGzip = (head: Buffer): boolean => head[0] === 0x1f && head[1] === 0x8b;
export const isParquet = (head: Buffer): boolean => head.toString('latin1').startsWith('PAR1');

/** Bytes enough for every signature. */
export const HEAD_BYTES = 8;

const signatures: readonly (readonly [Buffer, string])[] = [
  [Buffer.from('PAR1'), 'a Parquet file'],
  [Buffer.from('PK\x03\x04'), 'a ZIP archive (an Excel workbook is one)'],
  [Buffer.from('d0cf11e0', 'hex'), 'an old Excel workbook'],
  [Buffer.from('28b52ffd', 'hex'), 'a zstd file'],
  [Buffer.from('fd377a585a00', 'hex'), 'an xz file'],
  [Buffer.from('BZh'), 'a bzip2 file'],
  [Buffer.from('%PDF'), 'a PDF file'],
  [Buffer.from('fffe', 'hex'), 'UTF-16 text'],
  [Buffer.from('feff', 'hex'), 'UTF-16 text'],
];
