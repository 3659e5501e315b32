/** The shared corpus: what the inspection says of each file. The training job's reader is held to it in test_corpus.py. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { columnSettings, dataSettings } from '../../lambdas/contract/settings.ts';
import { inspectUpload } from '../../lambdas/domain/dataset/inspect.ts';
import { uploadOf } from '../domain/dataset/samples.ts';

const entry = z.object({
  file: z.string(),
  format: dataSettings.shape.format,
  tolerated: z.number(),
  columns: z.record(z.string(), columnSettings),
  accepted: z.optional(z.object({ rows: z.int(), badRows: z.int() })),
  rejected: z.optional(z.object({ code: z.string(), rule: z.nullable(z.string()) })),
});
const read = (name: string): Buffer => readFileSync(new URL(name, import.meta.url));
const entries = z.array(entry).parse(JSON.parse(read('corpus.json').toString()));

describe('the inspection', () => {
  test.each(entries)('judges $file as the corpus says', async ({ file, format, tolerated, columns, ...expected }) => {
    const settings = { format, columns, quality: { maximumBadRowShare: tolerated, minimumRows: 1 } };
    const inspection = await inspectUpload(uploadOf(read(`files/${file}`)), settings);
    if (inspection.outcome === 'accepted') {
      expect({ accepted: { rows: inspection.rows, badRows: inspection.badRows } }).toEqual(expected);
      return;
    }
    const { code, violations } = inspection.report;
    expect({ rejected: { code, rule: violations[0]?.rule ?? null } }).toEqual(expected);
  });
});
