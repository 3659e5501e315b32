/**
 * Stands in for `@smithy/core/event-streams` in the bundles (`lib/bundle.ts`). S3's SelectObjectContent and SageMaker's
 * InvokeEndpointWithResponseStream answer with event streams; no function calls either, and each client would carry
 * 15 kB for them. A function that does needs the alias gone.
 */
export const resolveEventStreamSerdeConfig = <Config>(config: Config): Config => config;

export function eventStreamSerdeProvider(): never {
  throw new Error('event streams are left out of the bundles: take their alias out of lib/bundle.ts');
}

export class EventStreamSerde {}
