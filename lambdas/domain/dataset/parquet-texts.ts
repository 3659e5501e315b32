/**
 * Whether the texts of a Parquet page are UTF-8: a decoder replaces what is not, and Arrow hands it on as it is, so that a
 * job fails where the text is used. Pages of ASCII, which nearly all are, are looked at as a whole.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import type { ByteReader } from './parquet-bytes.ts';
import { Refusal } from './report.ts';

/** Values with their lengths before them, from `start` to where the page was read. */
export function checkPlainText({ view, at }: ByteReader, start: number, count: number, column: string): void {
  const page = bytesOf(view);
  if (isAscii(page.subarray(start, at))) return;
  let place = start;
  for (let value = 0; value < count; value++) {
    const end = place + 4 + view.getUint32(place, true);
    if (!isUtf8(page.subarray(place + 4, end))) throw notUtf8(column);
    place = end;
  }
}

/** Values one after the other, whose lengths stood before them all. */
export function checkTexts({ view, at }: ByteReader, lengths: Int32Array, column: string): void {
  const texts = bytesOf(view).subarray(at);
  if (isAscii(texts)) return;
  let place = 0;
  for (const length of lengths) {
    if (!isUtf8(texts.subarray(place, place + length))) throw notUtf8(column);
    place += length;
  }
}

/** Values that begin as the one before: with as many of its bytes as a prefix has, which may end within a character. */
export function checkPrefixedText(
  { view, at }: ByteReader,
  prefixes: Int32Array,
  suffixes: Int32Array,
  column: string,
): void {
  const ends = bytesOf(view).subarray(at);
  if (isAscii(ends)) return;
  let place = 0;
  let text = Buffer.alloc(0);
  suffixes.forEach((length, value) => {
    text = Buffer.concat([text.subarray(0, prefixes[value] ?? 0), ends.subarray(place, place + length)]);
    if (!isUtf8(text)) throw notUtf8(column);
    place += length;
  });
}

const bytesOf = (view: DataView): Buffer => Buffer.from(view.buffer, view.byteOffset, view.byteLength);

function notUtf8(column: string): Refusal {
  return new Refusal(
    'encoding',
    `column ${column} holds text that is not UTF-8; it may be Latin-1, Windows-1252 or bytes`,
    'write the column as UTF-8 text and upload the file again, or leave it out of the project (role `ignore`)',
  );
}
