/**
 * Lets esbuild leave out what a function does not use of the AWS SDK's clients.
 *
 * A client describes all its requests and answers in one file, with names held in constants: `{ [_hE]: 404 }`. A
 * computed key could run code (`toString` of an object), so esbuild keeps each schema that has one, used or not. The same
 * name written out is no such risk. Only keys whose constant is found in the file are touched; whatever a later SDK writes
 * in another form stays as it is, which costs bytes and nothing else.
 *
 * A client also imports its whole package.json to tell its version.
 */
import { readFile } from 'node:fs/promises';
import type { Plugin } from 'esbuild';
import * as z from 'zod';

export const smallerSdk: Plugin = {
  name: 'smaller-sdk',
  setup(build) {
    build.onLoad({ filter: /[\\/]dist-es[\\/](.+[\\/])?schemas[\\/]schemas_\d+\.js$/ }, async ({ path }) => ({
      contents: withLiteralKeys(await readFile(path, 'utf8')),
      loader: 'js',
    }));
    build.onLoad({ filter: /[\\/]@aws-sdk[\\/]client-[^\\/]+[\\/]package\.json$/ }, async ({ path }) => ({
      contents: JSON.stringify(versionOnly.parse(JSON.parse(await readFile(path, 'utf8')))),
      loader: 'json',
    }));
  },
};

const versionOnly = z.object({ version: z.string() });

/** `const _hE = "httpError"; ... { [_hE]: 404 }` becomes `const _hE = "httpError"; ... { "httpError": 404 }`. */
export function withLiteralKeys(source: string): string {
  const constants = new Map(
    [...source.matchAll(/^const (_\w+) = ("(?:[^"\\\n]|\\.)*");$/gm)].map(([, name = '', text = '']) => [name, text]),
  );
  // A literal `"__proto__"` sets the prototype, which a computed one does not.
  return source.replaceAll(/([{,]\s*)\[(_\w+)\]:/g, (key, before: string, name: string) => {
    const text = constants.get(name);
    return text === undefined || text === '"__proto__"' ? key : `${before}${text}:`;
  });
}
