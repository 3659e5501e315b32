/** Clients of the HTTP API during the demo: a steady one while models change, and a month replayed as fast as it answers. */
import { setTimeout as pause } from 'node:timers/promises';
import { predictionAnswer, routes } from '../../lambdas/contract/http.ts';
import type { Api } from '../api.ts';
import type { Row } from './flights.ts';

export interface TrafficReport {
  readonly answered: number;
  /** Answers that were not 200, and why; each text once. */
  readonly refused: readonly string[];
  /** Model version → predictions that it made. */
  readonly byModel: Readonly<Record<string, number>>;
  /** Milliseconds, of single-row requests. */
  readonly medianMs: number;
  readonly slowestMs: number;
}

export interface Client {
  /** The newest prediction that was answered. */
  readonly last: { readonly predictionId: string; readonly prediction: unknown } | undefined;
  stop(): Promise<TrafficReport>;
}

const PAUSE_MS = 100;

/** Asks for one prediction after the other until it is stopped. */
export function steadyClient(api: Api, project: string, rows: readonly Row[]): Client {
  const byModel: Record<string, number> = {};
  const refused = new Set<string>();
  const times: number[] = [];
  let last: Client['last'];
  let stopping = false;

  const running = (async () => {
    for (let index = 0; !stopping; index += 1) {
      const started = performance.now();
      const answer = await ask(api, project, [rows[index % rows.length] ?? {}]);
      times.push(performance.now() - started);
      if (typeof answer === 'string') refused.add(answer);
      else {
        byModel[answer.modelVersion] = (byModel[answer.modelVersion] ?? 0) + 1;
        last = answer.predictions[0];
      }
      await pause(PAUSE_MS);
    }
  })();

  return {
    get last() {
      return last;
    },
    async stop() {
      stopping = true;
      await running;
      const sorted = times.toSorted((a, b) => a - b);
      return {
        answered: Object.values(byModel).reduce((sum, count) => sum + count, 0),
        refused: [...refused],
        byModel,
        medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0,
        slowestMs: sorted.at(-1) ?? 0,
      };
    },
  };
}

/** Sends rows in batches, two requests at a time. @returns why requests were refused; empty when all were answered */
export async function replay(api: Api, project: string, rows: readonly Row[], batch: number): Promise<string[]> {
  const refused = new Set<string>();
  const starts = Array.from({ length: Math.ceil(rows.length / batch) }, (_, index) => index * batch).values();
  const worker = async () => {
    for (const start of starts) {
      const answer = await ask(api, project, rows.slice(start, start + batch));
      if (typeof answer === 'string') refused.add(answer);
    }
  };
  await Promise.all([worker(), worker()]);
  return [...refused];
}

async function ask(api: Api, project: string, rows: readonly Row[]) {
  const answer = await api.request(routes.predict, project, {
    text: JSON.stringify({ rows }),
    type: 'application/json',
  });
  return answer.status === 200
    ? predictionAnswer.parse(answer.body)
    : `${answer.status} ${JSON.stringify(answer.body)}`;
}
