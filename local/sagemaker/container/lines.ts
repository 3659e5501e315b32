import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** In characters. CloudWatch Logs takes events of up to 256 KiB; a longer line is cut into pieces, which also bounds its memory. */
const longestLine = 64 * 1024 - 64;

/** Calls `onLine` for every line of a byte stream (UTF-8, `\n` or `\r\n`), and for what follows the last line end. */
export function splitLines(stream: Readable, onLine: (line: string) => void): void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  const take = (text: string) => {
    let from = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      const line = rest + text.slice(from, end);
      rest = '';
      emit(line.endsWith('\r') ? line.slice(0, -1) : line);
      from = end + 1;
    }
    rest += text.slice(from);
    while (rest.length > longestLine) {
      onLine(rest.slice(0, longestLine));
      rest = rest.slice(longestLine);
    }
  };
  const emit = (line: string) => {
    for (let from = 0; from === 0 || from < line.length; from += longestLine)
      onLine(line.slice(from, from + longestLine));
  };
  stream.on('data', (chunk: Buffer) => take(decoder.write(chunk)));
  stream.once('end', () => {
    take(decoder.end());
    if (rest !== '') onLine(rest);
  });
}
