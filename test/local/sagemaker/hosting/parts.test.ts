import type { MetricDatum } from '@aws-sdk/client-cloudwatch';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Batches } from '../../../../local/sagemaker/container/batches.ts';
import { captureKey, captureLine, type DataCaptureConfig } from '../../../../local/sagemaker/hosting/capture-record.ts';
import { type MeasuredInvocation, metricData } from '../../../../local/sagemaker/hosting/invocation-metrics.ts';
import { InvokePermission } from '../../../../local/sagemaker/hosting/invoke-permission.ts';
import { TrafficSplitter } from '../../../../local/sagemaker/hosting/traffic.ts';

describe('TrafficSplitter', () => {
  test('keeps within 5 requests of the exact split at every moment, for any weights', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 2, maxLength: 4 }), (weights) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const splitter = new TrafficSplitter();
        const shares = weights.map((weight, target) => ({ target, weight }));
        const counts = weights.map(() => 0);
        for (let n = 1; n <= 500; n += 1) {
          const target = splitter.next(shares);
          if (target === undefined) return total === 0;
          counts[target] = (counts[target] ?? 0) + 1;
          if (weights.some((weight, index) => Math.abs((counts[index] ?? 0) - (n * weight) / total) > 5)) return false;
        }
        return true;
      }),
    );
  });

  test('sends nothing to a weight of 0', () => {
    const splitter = new TrafficSplitter();
    const shares = [
      { target: 'off', weight: 0 },
      { target: 'on', weight: 0.001 },
    ];
    for (let call = 0; call < 100; call += 1) expect(splitter.next(shares)).toBe('on');
  });
});

describe('capture', () => {
  const config: DataCaptureConfig = {
    EnableCapture: true,
    InitialSamplingPercentage: 100,
    DestinationS3Uri: 's3://captured/a/b',
    CaptureOptions: [{ CaptureMode: 'InputAndOutput' }],
    CaptureContentTypeHeader: { CsvContentTypes: ['text/csv'], JsonContentTypes: ['application/json'] },
  };

  test('chooses the encoding by media type, whatever its parameters and case', () => {
    const line = captureLine(config, {
      at: new Date('2026-01-02T03:04:05.678Z'),
      input: { contentType: 'Text/CSV; charset=utf-8', body: Buffer.from('1,2\n') },
      output: { contentType: 'application/x-npy', body: Buffer.from([0, 255]) },
      customAttributes: 'trace=1',
    });
    expect(JSON.parse(line)).toMatchObject({
      captureData: {
        endpointInput: { observedContentType: 'Text/CSV; charset=utf-8', data: '1,2\n', encoding: 'CSV' },
        endpointOutput: { data: 'AP8=', encoding: 'BASE64' },
      },
      eventMetadata: { inferenceTime: '2026-01-02T03:04:05Z', customAttributes: ['trace=1'] },
    });
    expect(line).not.toContain('\n');
  });

  test('puts files under endpoint, variant and UTC hour, with or without a prefix', () => {
    const at = new Date('2026-01-02T03:04:05.678Z');
    expect(captureKey(config, 'e', 'v', at)).toMatchObject({
      bucket: 'captured',
      key: expect.stringMatching(/^a\/b\/e\/v\/2026\/01\/02\/03\/04-05-678-[0-9a-f-]+\.jsonl$/),
    });
    expect(captureKey({ ...config, DestinationS3Uri: 's3://captured' }, 'e', 'v', at).key).toMatch(/^e\/v\/2026/);
  });
});

describe('metricData', () => {
  const invocation = fc.record({
    endpoint: fc.constantFrom('a', 'b'),
    variant: fc.constantFrom('x', 'y'),
    config: fc.constantFrom('old', 'new'),
    instances: fc.constant(1),
    status: fc.constantFrom(0, 200, 204, 400, 503),
    modelLatency: fc.option(fc.integer({ min: 1, max: 1000 }), { nil: undefined }),
    overheadLatency: fc.integer({ min: 1, max: 1000 }),
  });

  test('counts every invocation once, in data that CloudWatch accepts', () => {
    fc.assert(
      fc.property(fc.array(invocation, { maxLength: 400 }), (invocations: MeasuredInvocation[]) => {
        const all = metricData(invocations, new Date());
        const names = (datum: MetricDatum) => datum.Dimensions?.map(({ Name }) => Name).join(' ');
        const data = all.filter((datum) => names(datum) === 'EndpointName VariantName');
        const sum = (name: string) =>
          data
            .filter((datum) => datum.MetricName === name)
            .reduce(
              (all, datum) =>
                all +
                (datum.Values ?? []).reduce((part, value, index) => part + value * (datum.Counts?.[index] ?? 1), 0),
              0,
            );
        expect(sum('Invocations')).toBe(invocations.length);
        expect(sum('Invocation4XXErrors')).toBe(invocations.filter((one) => one.status === 400).length);
        expect(sum('Invocation5XXErrors')).toBe(
          invocations.filter((one) => one.status === 503 || one.status === 0).length,
        );
        expect(sum('OverheadLatency')).toBe(invocations.reduce((all, one) => all + one.overheadLatency, 0));
        for (const datum of all) expect(datum.Values?.length).toBeLessThanOrEqual(150);
      }),
    );
  });
});

describe('metricData of a deployment', () => {
  const one = { endpoint: 'e', variant: 'v', instances: 1, modelLatency: 1, overheadLatency: 1 };
  const both: MeasuredInvocation[] = [
    { ...one, config: 'old', status: 500 },
    { ...one, config: 'old', status: 500 },
    { ...one, config: 'new', status: 200 },
  ];
  const errors = (dimensions: Record<string, string>) =>
    metricData(both, new Date())
      .filter((datum) => datum.MetricName === 'Invocation5XXErrors')
      .filter(
        (datum) =>
          JSON.stringify(Object.fromEntries(datum.Dimensions?.map(({ Name, Value }) => [Name, Value]) ?? [])) ===
          JSON.stringify(dimensions),
      )
      .flatMap(({ Values = [], Counts = [] }) => Values.map((value, index) => value * (Counts[index] ?? 0)))
      .reduce((sum, value) => sum + value, 0);

  test('shows both fleets by endpoint and variant, and each alone by its endpoint config', () => {
    expect(errors({ EndpointName: 'e', VariantName: 'v' })).toBe(2);
    expect(errors({ EndpointName: 'e', VariantName: 'v', EndpointConfigName: 'old' })).toBe(2);
    expect(errors({ EndpointName: 'e', VariantName: 'v', EndpointConfigName: 'new' })).toBe(0);
  });
});

describe('Batches', () => {
  test('hands everything on once and in order, however it is split', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer()), fc.integer({ min: 1, max: 5 }), async (items, most) => {
        const sent: number[] = [];
        const batches = new Batches<number>(
          async (batch) => {
            expect(batch.length).toBeLessThanOrEqual(most);
            await Promise.resolve();
            sent.push(...batch);
          },
          10_000,
          most,
        );
        for (const item of items) batches.add(item);
        await batches.flush();
        expect(sent).toEqual(items);
      }),
    );
  });
});

describe('InvokePermission', () => {
  const caller = { accessKeyId: 'k', principalArn: 'p', account: '000000000000', region: 'us-east-1' };

  test('asks again after a refusal, and for every caller and endpoint', async () => {
    const asked: string[] = [];
    let allowed = false;
    const access = {
      require: async ({ accessKeyId }: { accessKeyId: string }, _: string, resource: string) => {
        asked.push(`${accessKeyId} ${resource}`);
        if (!allowed) throw new Error('denied');
      },
    };
    const permission = new InvokePermission();
    await expect(permission.require(access, caller, 'invoke', 'e1')).rejects.toThrow('denied');
    allowed = true;
    await permission.require(access, caller, 'invoke', 'e1');
    await permission.require(access, caller, 'invoke', 'e1');
    await permission.require(access, caller, 'invoke', 'e2');
    await permission.require(access, { ...caller, accessKeyId: 'other' }, 'invoke', 'e1');
    expect(asked).toEqual(['k e1', 'k e1', 'k e2', 'other e1']);
  });
});
