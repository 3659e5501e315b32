/** The prepared flights (projects/flights/data/prepare.py): files by month and week, and their rows as a client sends them. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import * as z from 'zod';
import type { ProjectSettings } from '../../lambdas/contract/settings.ts';
import { repository } from '../../local/cloud/layout.ts';
import { CommandFailed } from '../failure.ts';

const folder = join(repository, '.flywheel', 'data', 'flights');

export const flightsFile = (part: string): string => join(folder, `2013-${part}.csv.gz`);

/** Downloads and prepares what is not there yet. */
export function prepareFlights(): Promise<void> {
  const python = join(repository, '.flywheel/venv/models/bin/python');
  const child = spawn(python, [join(repository, 'projects/flights/data/prepare.py')], { stdio: ['ignore', 2, 2] });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) =>
      code === 0
        ? resolve()
        : reject(new CommandFailed(`prepare.py ended with exit code ${code}; its message is above.`)),
    );
  });
}

export type Row = Readonly<Record<string, string | number | null>>;

/** Rows with the model's features only: what is known when a prediction is asked for. */
export function featureRows(part: string, columns: ProjectSettings['data']['columns']): Row[] {
  const records = z
    .array(z.record(z.string(), z.string()))
    .parse(parse(gunzipSync(readFileSync(flightsFile(part))), { columns: true }));
  const features = Object.entries(columns).filter(([, column]) => column.role === 'feature');
  return records.map((record) =>
    Object.fromEntries(
      features.map(([name, { type }]) => {
        const text = record[name] ?? '';
        if (text === '') return [name, null];
        return [name, type === 'number' || type === 'integer' ? Number(text) : text];
      }),
    ),
  );
}

/** A month with two values that no flight has, as an export gone wrong would have them; gzipped like the others. */
export function brokenFile(part: string): Buffer {
  const lines = gunzipSync(readFileSync(flightsFile(part)))
    .toString()
    .trimEnd()
    .split('\n');
  const header = (lines[0] ?? '').split(',');
  const spoil = (line: number, column: string, value: string) => {
    const fields = (lines[line] ?? '').split(',');
    fields[header.indexOf(column)] = value;
    lines[line] = fields.join(',');
  };
  spoil(1204, 'dep_delay', 'on time');
  spoil(8771, 'origin', 'XYZ');
  return gzipSync(`${lines.join('\n')}\n`);
}
