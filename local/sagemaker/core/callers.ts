import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Of requests to internal routes: the secret of the cloud, which its owner alone can read. MiniStack's have it, too. */
export const secretHeader = 'x-flywheel-secret';

/** At 127.0.0.1, whatever the port: a name that its owner points at this machine is a web page's. */
const loopback = /^(127\.0\.0\.1|localhost)(:\d+)?$/i;

/**
 * Why a request is not answered, if it is not: a web page may have sent it. No AWS client sends Origin or Sec-Fetch-Site, a
 * browser cannot leave both out, and OPTIONS is its question whether a page may go on. MiniStack's launcher asks the same
 * (`local/ministack/callers.py`).
 */
export function refusalOf(method: string, headers: IncomingHttpHeaders): string | undefined {
  const site = headers['sec-fetch-site'] ?? 'none';
  const fromPage = headers.origin !== undefined || site !== 'none' || method === 'OPTIONS';
  if (!fromPage && loopback.test(headers.host ?? '')) return undefined;
  return 'SageMaker local answers programs on this machine only, at 127.0.0.1, and no web page.';
}

export function knowsSecret(headers: IncomingHttpHeaders, secret: string): boolean {
  const given = Buffer.from(String(headers[secretHeader] ?? ''));
  const expected = Buffer.from(secret);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
