import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { SageMakerError } from './errors.ts';

export interface SignedRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

/** The claims of an `Authorization: AWS4-HMAC-SHA256 …` header. */
export interface Claim {
  readonly accessKeyId: string;
  /** yyyymmdd */
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

const algorithm = 'AWS4-HMAC-SHA256';
const header =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
const allowedSkewMs = 15 * 60_000;

/** @throws SageMakerError MissingAuthenticationToken or IncompleteSignature */
export function readClaim(request: SignedRequest): Claim {
  const authorization = request.headers.authorization;
  if (authorization === undefined) {
    throw new SageMakerError('MissingAuthenticationTokenException', 'Missing Authentication Token', 403);
  }
  const match = header.exec(authorization);
  if (!match) {
    throw new SageMakerError(
      'IncompleteSignatureException',
      `Authorization header requires '${algorithm}' with 'Credential', 'SignedHeaders' and 'Signature'. Authorization=${authorization.split(' ')[0]}`,
      403,
    );
  }
  const [, accessKeyId = '', date = '', region = '', service = '', signedHeaders = '', signature = ''] = match;
  return { accessKeyId, date, region, service, signedHeaders: signedHeaders.split(';'), signature };
}

/**
 * Checks a Signature Version 4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
 * @throws SageMakerError InvalidSignatureException
 */
export function verifySignature(request: SignedRequest, claim: Claim, secretAccessKey: string, nowMs: number): void {
  const time = one(request.headers['x-amz-date']);
  const signedAt = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time);
  const [year, month, day, hour, minute, second] = (signedAt?.slice(1) ?? []).map(Number);
  const at = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
  if (!signedAt || Math.abs(nowMs - at) > allowedSkewMs) {
    throw invalid(`Signature not current: ${time || 'no X-Amz-Date'} is not within 15 minutes of the server's time.`);
  }
  const scope = `${claim.date}/${claim.region}/${claim.service}/aws4_request`;
  const text = [algorithm, time, scope, sha256(canonicalRequest(request, claim))].join('\n');
  const key = [claim.date, claim.region, claim.service, 'aws4_request'].reduce<string | Buffer>(
    (secret, part) => hmac(secret, part),
    `AWS4${secretAccessKey}`,
  );
  const expected = hmac(key, text);
  if (!timingSafeEqual(expected, Buffer.from(claim.signature, 'hex'))) {
    throw invalid(
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
    );
  }
}

function canonicalRequest(request: SignedRequest, claim: Claim): string {
  const [path = '/', query = ''] = request.url.split('?', 2);
  const headers = claim.signedHeaders.map(
    (name) => `${name}:${one(request.headers[name]).trim().replace(/ +/g, ' ')}\n`,
  );
  const pairs = query.split('&').filter((pair) => pair !== '');
  const parameters = pairs.map((pair) => (pair.includes('=') ? pair : `${pair}=`)).sort();
  const given = one(request.headers['x-amz-content-sha256']);
  const payload = given === 'UNSIGNED-PAYLOAD' ? given : sha256(request.body);
  return [
    request.method,
    // Every service but S3 signs the path encoded once more.
    path.split('/').map(encodeSegment).join('/'),
    parameters.join('&'),
    headers.join(''),
    claim.signedHeaders.join(';'),
    payload,
  ].join('\n');
}

function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

function invalid(message: string): SageMakerError {
  return new SageMakerError('InvalidSignatureException', message, 403);
}

function one(value: string | readonly string[] | undefined): string {
  return typeof value === 'string' ? value : (value?.join(',') ?? '');
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}
