/**
 * Lets esbuild leave out the AWS SDK's schemas of operations that a function does not call.
 *
 * The SDK describes requests and answers in one file a client, with names held in constants: `{ [_hE]: 404 }`. A
 * computed key could run code (`toString` of an object), so esbuild keeps each schema that has one, used or not. The same
 * name written out is no such risk. Only keys whose constant is found in the file are touched; whatever a later SDK writes
 * in another form stays as it is, which costs bytes and nothing else.
 */
import { readFile } from 'node:fs/promises';
import type { Plugin } from 'esbuild';

export const dropUnusedSchemas: Plugin = {
  name: 'drop-unused-schemas',
  setup(build) {
    build.onLoad({ filter: /[\\/]dist-es[\\/](.+[\\/])?schemas[\\/]schemas_\d+\.js$/ }, async ({ path }) => ({
      contents: withLiteralKeys(await readFile(path, 'utf8')),
      loader: 'js',
    }));
  },
};

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
