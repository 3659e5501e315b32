import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readClaim, type SignedRequest, verifySignature } from '../../../../local/sagemaker/core/signature.ts';

const secretAccessKey = 'a secret';
const now = Date.UTC(2026, 0, 2, 3, 4, 5);

/** Signed by AWS's own signer. */
async function signed(body: string, path: string, query: Record<string, string>): Promise<SignedRequest> {
  const signer = new SignatureV4({
    service: 'sagemaker',
    region: 'eu-west-1',
    sha256: Sha256,
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey },
  });
  const headers = { host: '127.0.0.1:4567', 'content-type': 'application/x-amz-json-1.1' };
  const request = { method: 'POST', protocol: 'http:', hostname: '127.0.0.1', port: 4567, path, query, headers, body };
  const answer = await signer.sign(request, { signingDate: new Date(now) });
  const pairs = Object.entries(query).map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`);
  const url = pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
  return { method: 'POST', url, headers: answer.headers, body: Buffer.from(body) };
}

test('the claim of a request says who, where and when', async () => {
  expect(readClaim(await signed('{}', '/', {}))).toMatchObject({
    accessKeyId: 'AKIDEXAMPLE',
    region: 'eu-west-1',
    date: '20260102',
    service: 'sagemaker',
  });
});

test("requests signed by AWS's signer pass; with another body, secret or time they do not", async () => {
  const words = fc.string({ unit: fc.constantFrom(...'ab1 /?ü'), maxLength: 8 });
  const path = fc.constantFrom('/', '/endpoints/my-endpoint/invocations', '/endpoints/a%20b/invocations');
  await fc.assert(
    fc.asyncProperty(words, path, fc.dictionary(fc.constantFrom('a', 'b'), words), async (body, at, query) => {
      const request = await signed(body, at, query);
      const check = (one: SignedRequest, secret = secretAccessKey, time = now) =>
        verifySignature(one, readClaim(one), secret, time);
      expect(() => check(request)).not.toThrow();
      expect(() => check({ ...request, body: Buffer.from(`${body}x`) })).toThrow('does not match');
      expect(() => check({ ...request, url: `${request.url}x` })).toThrow('does not match');
      expect(() => check(request, 'another secret')).toThrow('does not match');
      expect(() => check(request, secretAccessKey, now + 16 * 60_000)).toThrow('Signature not current');
    }),
    { numRuns: 50 },
  );
});

test('a request without a signature is refused by name', () => {
  const request = { method: 'POST', url: '/', headers: {}, body: Buffer.alloc(0) };
  expect(() => readClaim(request)).toThrow('Missing Authentication Token');
  expect(() => readClaim({ ...request, headers: { authorization: 'Bearer x' } })).toThrow('AWS4-HMAC-SHA256');
});
