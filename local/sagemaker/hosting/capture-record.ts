import { randomUUID } from 'node:crypto';
import * as z from 'zod';

/** DataCaptureConfig of CreateEndpointConfig. */
export const dataCaptureConfig = z.object({
  EnableCapture: z.boolean().optional(),
  InitialSamplingPercentage: z.number(),
  DestinationS3Uri: z.string(),
  KmsKeyId: z.string().optional(),
  CaptureOptions: z.array(z.object({ CaptureMode: z.enum(['Input', 'Output', 'InputAndOutput']) })),
  CaptureContentTypeHeader: z
    .object({ CsvContentTypes: z.array(z.string()).optional(), JsonContentTypes: z.array(z.string()).optional() })
    .optional(),
});
export type DataCaptureConfig = z.infer<typeof dataCaptureConfig>;

/** One answered invocation, as far as its capture needs it. */
export interface CapturedInvocation {
  readonly at: Date;
  readonly input: { readonly contentType: string; readonly body: Buffer };
  readonly output: { readonly contentType: string; readonly body: Buffer };
  readonly inferenceId?: string | undefined;
  readonly customAttributes?: string | undefined;
}

/** The line (without its line end) that SageMaker's data capture writes for an invocation. */
export function captureLine(config: DataCaptureConfig, invocation: CapturedInvocation): string {
  const modes = config.CaptureOptions.map((option) => option.CaptureMode);
  const captured = (mode: 'Input' | 'Output') => modes.includes(mode) || modes.includes('InputAndOutput');
  const { inferenceId, customAttributes, at } = invocation;
  return JSON.stringify({
    captureData: {
      ...(captured('Input') && { endpointInput: payload(config, 'INPUT', invocation.input) }),
      ...(captured('Output') && { endpointOutput: payload(config, 'OUTPUT', invocation.output) }),
    },
    eventMetadata: {
      eventId: randomUUID(),
      ...(customAttributes !== undefined && { customAttributes: [customAttributes] }),
      ...(inferenceId !== undefined && { inferenceId }),
      inferenceTime: `${at.toISOString().slice(0, 19)}Z`,
    },
    eventVersion: '0',
  });
}

/**
 * Where a file of captured lines goes: `<destination>/<endpoint>/<variant>/yyyy/mm/dd/hh/mm-ss-mmm-<uuid>.jsonl`, in UTC.
 * Lines of different hours never share a file, as consumers choose files by the hour in the path.
 */
export function captureKey(
  config: DataCaptureConfig,
  endpoint: string,
  variant: string,
  at: Date,
): { bucket: string; key: string } {
  const destination = new URL(config.DestinationS3Uri);
  const prefix = destination.pathname.replace(/^\/+|\/+$/g, '');
  const time = at.toISOString();
  const hour = `${time.slice(0, 4)}/${time.slice(5, 7)}/${time.slice(8, 10)}/${time.slice(11, 13)}`;
  const file = `${time.slice(14, 16)}-${time.slice(17, 19)}-${time.slice(20, 23)}-${randomUUID()}.jsonl`;
  return {
    bucket: destination.hostname,
    key: [prefix, endpoint, variant, hour, file].filter((part) => part !== '').join('/'),
  };
}

function payload(config: DataCaptureConfig, mode: 'INPUT' | 'OUTPUT', content: CapturedInvocation['input']) {
  const encoding = encodingOf(config, content.contentType);
  return {
    observedContentType: content.contentType,
    mode,
    data: content.body.toString(encoding === 'BASE64' ? 'base64' : 'utf8'),
    encoding,
  };
}

/** Text only for the media types that the config lists (parameters such as a charset do not count); everything else is BASE64. */
function encodingOf(config: DataCaptureConfig, contentType: string): 'CSV' | 'JSON' | 'BASE64' {
  const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const lists = config.CaptureContentTypeHeader;
  const isIn = (list: readonly string[] | undefined) => list?.some((type) => type.toLowerCase() === mediaType) ?? false;
  if (isIn(lists?.CsvContentTypes)) return 'CSV';
  if (isIn(lists?.JsonContentTypes)) return 'JSON';
  return 'BASE64';
}
