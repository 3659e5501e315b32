import type { Dimension, MetricDatum } from '@aws-sdk/client-cloudwatch';

/** One invocation of a variant, as the metrics of AWS/SageMaker count it. */
export interface MeasuredInvocation {
  readonly endpoint: string;
  readonly variant: string;
  /** Name of the endpoint config of the fleet that answered: during a deployment the two fleets have different ones. */
  readonly config: string;
  /** Instances behind the variant, over which InvocationsPerInstance divides. */
  readonly instances: number;
  /** Status the container answered with; 0 when it gave no answer. */
  readonly status: number;
  /** Time of the container, in µs; undefined when it gave no answer. */
  readonly modelLatency: number | undefined;
  /** Time of the platform, in µs. */
  readonly overheadLatency: number;
}

/** CloudWatch takes at most 150 distinct values a datum. */
const mostValues = 150;

/**
 * The data that SageMaker publishes for some invocations, in namespace AWS/SageMaker: each with the dimensions EndpointName and
 * VariantName, whatever fleet answered, and once more with EndpointConfigName, by which an alarm sees one fleet alone (developer
 * guide, "Auto-Rollback Configuration and Monitoring", the alarms of the new fleet; amazon-sagemaker-examples plots both fleets so).
 * Error metrics count 0 for a good invocation, so that their average is a rate. Latencies are in microseconds.
 */
export function metricData(invocations: readonly MeasuredInvocation[], at: Date): MetricDatum[] {
  const variants = Map.groupBy(invocations, (one) => `${one.endpoint}\n${one.variant}`);
  const fleets = Map.groupBy(invocations, (one) => `${one.endpoint}\n${one.variant}\n${one.config}`);
  return [
    ...[...variants.values()].flatMap((group) => variantData(group, at, () => [])),
    ...[...fleets.values()].flatMap((group) =>
      variantData(group, at, ({ config }) => [{ Name: 'EndpointConfigName', Value: config }]),
    ),
  ];
}

function variantData(
  group: readonly MeasuredInvocation[],
  at: Date,
  more: (first: MeasuredInvocation) => Dimension[],
): MetricDatum[] {
  const [first] = group;
  if (!first) return [];
  const Dimensions = [
    { Name: 'EndpointName', Value: first.endpoint },
    { Name: 'VariantName', Value: first.variant },
    ...more(first),
  ];
  const data = (MetricName: string, Unit: 'None' | 'Microseconds', values: readonly number[]): MetricDatum[] =>
    distinct(values).map((part) => ({ MetricName, Unit, Dimensions, Timestamp: at, ...part }));
  const flags = (is: (one: MeasuredInvocation) => boolean) => group.map((one) => (is(one) ? 1 : 0));
  const isModelError = (one: MeasuredInvocation) => one.status < 200 || one.status > 299;
  return [
    ...data(
      'Invocations',
      'None',
      flags(() => true),
    ),
    ...data(
      'InvocationsPerInstance',
      'None',
      group.map((one) => 1 / Math.max(1, one.instances)),
    ),
    ...data(
      'Invocation4XXErrors',
      'None',
      flags((one) => one.status >= 400 && one.status < 500),
    ),
    ...data(
      'Invocation5XXErrors',
      'None',
      flags((one) => one.status >= 500 || one.status === 0),
    ),
    ...data('InvocationModelErrors', 'None', flags(isModelError)),
    ...data(
      'ModelLatency',
      'Microseconds',
      group.flatMap((one) => one.modelLatency ?? []),
    ),
    ...data(
      'OverheadLatency',
      'Microseconds',
      group.map((one) => one.overheadLatency),
    ),
  ];
}

function distinct(values: readonly number[]): { Values: number[]; Counts: number[] }[] {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const entries = [...counts];
  const parts = Math.ceil(entries.length / mostValues);
  return Array.from({ length: parts }, (_, index) => {
    const part = entries.slice(index * mostValues, (index + 1) * mostValues);
    return { Values: part.map(([value]) => value), Counts: part.map(([, count]) => count) };
  });
}
