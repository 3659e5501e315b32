/** Requests as browsers send them: with a Host, an Origin or an upgrade that `fetch` does not let one set. */
import { request } from 'node:http';

export interface RawAnswer {
  readonly status: number;
  readonly body: string;
}

export function rawRequest(
  url: string,
  path: string,
  options: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  } = {},
): Promise<RawAnswer> {
  const { method = 'GET', headers = {}, body = '' } = options;
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, url), { method, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Headers with which a program is answered, and the address that a user types into a browser. */
export const programHeaders: readonly Readonly<Record<string, string>>[] = [
  {},
  { host: 'localhost' },
  { host: '127.0.0.1:1' },
  { 'sec-fetch-site': 'none' },
];

/** Headers that only a web page's request has, by what they say. */
export const pageHeaders: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'another origin': { origin: 'https://page.example' },
  'a file as its origin': { origin: 'null' },
  'another site': { 'sec-fetch-site': 'cross-site' },
  'another port of this machine': { 'sec-fetch-site': 'same-site' },
  'this very origin': { 'sec-fetch-site': 'same-origin' },
  'a name that was pointed at this machine': { host: 'page.example:4566' },
  'a name that begins like this machine': { host: '127.0.0.1.page.example' },
  'a name under localhost': { host: 'page.localhost:4566' },
};
