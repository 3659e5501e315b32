/**
 * What a command prints. stdout carries the answer (text, or one JSON document with `--json`), stderr what goes on
 * meanwhile; colours only where a person reads along.
 */
import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';

export const paint = pc.createColors(process.stdout.isTTY === true && !process.env.NO_COLOR);

export interface Output {
  /** Prints the answer: `value` with `--json`, else the text. Once a command. */
  answer(value: unknown, text: () => string): void;
  /** A line about what is going on; silent with `--json`. */
  progress(line: string): void;
}

export function createOutput(json: boolean): Output {
  return {
    answer(value, text) {
      process.stdout.write(`${json ? JSON.stringify(value, undefined, 2) : text()}\n`);
    },
    progress(line) {
      if (!json) process.stderr.write(`${line}\n`);
    },
  };
}

/** Columns aligned under each other, two blanks apart. Colours in a cell do not disturb the alignment. */
export function columns(rows: readonly (readonly string[])[], indent = ''): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, visibleLength(cell));
    });
  }
  return rows
    .map((row) =>
      `${indent}${row.map((cell, index) => cell + ' '.repeat((widths[index] ?? 0) - visibleLength(cell))).join('  ')}`.trimEnd(),
    )
    .join('\n');
}

function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}

/** `2.4 s`, `340 ms`, `3 min 20 s`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 100_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.floor(milliseconds / 60_000)} min ${Math.round((milliseconds % 60_000) / 1000)} s`;
}

/** `8.3 MB`; powers of ten. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = count === 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  return power === 0 ? `${count} B` : `${(count / 1000 ** power).toFixed(1)} ${units[power]}`;
}
