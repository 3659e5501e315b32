/** Data that a test can make, for a project of a few columns: whether a flight is late, by its delay and the wind. */
import { gzipSync } from 'node:zlib';
import type { ProjectSettings } from '../../lambdas/contract/settings.ts';
import { projectSettings } from './project.ts';

/** Settings for the handlers without the configuration around them. */
export function trialSettings(): ProjectSettings {
  const base = projectSettings();
  const column = { nullable: false, pii: false };
  return {
    ...base,
    name: 'trial',
    data: {
      ...base.data,
      columns: {
        row_id: { role: 'id', type: 'text', ...column },
        delay: { role: 'feature', type: 'number', ...column },
        wind: { role: 'feature', type: 'number', ...column, nullable: true },
        carrier: { role: 'feature', type: 'category', ...column },
        late: { role: 'label', type: 'boolean', ...column },
      },
    },
    training: {
      ...base.training,
      triggers: [{ on: 'upload', minimumNewRows: 1 }, { on: 'drift' }, { on: 'demand' }],
      cooldownSeconds: 0,
      algorithm: {
        ...base.training.algorithm,
        hyperparameters: { num_round: '20', max_depth: '3', eta: '0.3' },
      },
    },
    gate: { ...base.gate, beatChampionBy: -0.1 },
    serving: { ...base.serving, canary: { percent: 50, bakeSeconds: 0 } },
  };
}

export interface TrialData {
  readonly from: number;
  readonly rows: number;
  /** Added to every wind: what drifts. */
  readonly windShift?: number;
  /** The label has nothing to do with the features: nothing to learn. */
  readonly randomLabels?: boolean;
}

interface TrialRow {
  readonly row_id: string;
  readonly delay: number;
  readonly wind: number;
  readonly carrier: string;
  readonly late: boolean;
}

/** Always the same rows for the same numbers. */
export function trialRows({ from, rows, windShift = 0, randomLabels = false }: TrialData): TrialRow[] {
  return Array.from({ length: rows }, (_, index) => {
    const random = generator(from + index);
    const delay = Math.round(random() * 80 - 20);
    const wind = Math.round((random() * 30 + windShift) * 10) / 10;
    const chance = 1 / (1 + Math.exp(-(delay - 20) / 6));
    const late = random() < (randomLabels ? 0.5 : chance);
    return {
      row_id: `r${from + index}`,
      delay,
      wind,
      carrier: random() < 0.5 ? 'UA' : 'DL',
      late,
    };
  });
}

export function trialCsv(data: TrialData): Uint8Array {
  const rows = trialRows(data).map((row) => [row.row_id, row.delay, row.wind, row.carrier, row.late].join(','));
  return gzipSync(`${['row_id,delay,wind,carrier,late', ...rows].join('\n')}\n`);
}

/** mulberry32: small, and good enough for test data. */
function generator(seed: number): () => number {
  let state = (seed + 1) * 0x9e3779b1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
