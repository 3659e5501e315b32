/** A metric in the embedded format is the one that an alarm looks at only when namespace, name and dimensions are the same. */
import { expect, it, vi } from 'vitest';
import * as z from 'zod';
import { METRIC_NAMESPACE, metrics } from '../../lambdas/contract/metrics.ts';
import { functionMetrics } from '../../lambdas/runtime/metrics.ts';

const embedded = z.looseObject({
  _aws: z.object({
    CloudWatchMetrics: z.array(z.object({ Namespace: z.string(), Dimensions: z.array(z.array(z.string())) })),
  }),
});

function written(feature?: string, project: string | null = 'flights') {
  // Through console.log, which a test can hear; by itself this setting also turns metrics off.
  vi.stubEnv('POWERTOOLS_DEV', 'true');
  vi.stubEnv('POWERTOOLS_METRICS_DISABLED', 'false');
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  functionMetrics('dev').record(project, metrics.driftPsi, 0.3, feature);
  const line = embedded.parse(JSON.parse(String(log.mock.calls[0]?.[0])));
  log.mockRestore();
  vi.unstubAllEnvs();
  return line;
}

it('has the dimensions of the contract and no other', () => {
  const line = written();
  expect(line).toMatchObject({ Environment: 'dev', Project: 'flights', [metrics.driftPsi]: 0.3 });
  const [directive] = line._aws.CloudWatchMetrics;
  expect(directive?.Namespace).toBe(METRIC_NAMESPACE);
  expect(directive?.Dimensions.map((names) => names.toSorted())).toEqual([['Environment', 'Project']]);
});

it('has the feature besides', () => {
  const [directive] = written('wind')._aws.CloudWatchMetrics;
  expect(directive?.Dimensions.map((names) => names.toSorted())).toEqual([['Environment', 'Feature', 'Project']]);
});

it('of an environment as a whole has no project', () => {
  const [directive] = written(undefined, null)._aws.CloudWatchMetrics;
  expect(directive?.Dimensions).toEqual([['Environment']]);
});
