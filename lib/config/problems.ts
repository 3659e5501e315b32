/** Mistakes in the configuration, told in the words of the person who wrote it, and all at once. */
import type * as z from 'zod';

export interface Problem {
  /** `projects/flights`, `environments/prod`. */
  readonly at: string;
  /** `data.columns.temp.min`. */
  readonly path: string;
  /** `got 'x', expected a number`. */
  readonly message: string;
}

export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const lines = problems.map(({ at, path, message }) => `  ${[at, path, message].filter(Boolean).join(': ')}`);
    super(`the configuration has ${problems.length} mistake${problems.length === 1 ? '' : 's'}:\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

/** The issues of a failed parse (made with `reportInput: true`). */
export function problemsOf(error: z.core.$ZodError, at: string): Problem[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        at,
        path: [...path, key].join('.'),
        message: 'there is no such setting, remove it or correct its name',
      }));
    }
    return [{ at, path: path.join('.'), message: `got ${show(issue.input)}, ${expectation(issue)}` }];
  });
}

type Issue = z.core.$ZodIssue;

function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.startsWith('expected')
        ? issue.message
        : `expected ${kinds[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `expected ${issue.values.map(show).join(' or ')}`;
    case 'too_small':
      return `expected ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}${countOf(issue.origin)}`;
    case 'too_big':
      return `expected ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}${countOf(issue.origin)}`;
    case 'invalid_union':
      return 'expected onUpload(), onDrift() or onDemand()';
    case 'invalid_key':
      return issue.issues.map(expectation).join(', ');
    case 'invalid_format':
      return issue.message.startsWith('expected') ? issue.message : `expected text matching ${issue.pattern}`;
    default:
      return issue.message;
  }
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object {...}',
  record: 'an object {name: ...}',
  array: 'a list [...]',
};

function countOf(origin: string): string {
  return { array: ' entries', string: ' characters' }[origin] ?? '';
}

/** A value as it would be written in the configuration, shortened. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return `'${value}'`;
  const text = typeof value === 'bigint' || typeof value === 'function' ? String(value) : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
