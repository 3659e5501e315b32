import { requestLimits } from '../contract/limits.ts';
import { HttpProblem } from './http-handler.ts';

/** @throws HttpProblem 413 */
export function limitBody(body: string): void {
  const bytes = Buffer.byteLength(body);
  if (bytes > requestLimits.bodyBytes)
    throw new HttpProblem(
      413,
      `the body has ${bytes} bytes, at most ${requestLimits.bodyBytes} fit in one request: send several`,
    );
}

/** @throws HttpProblem 413, 400 */
export function parseJsonBody(body: string): unknown {
  limitBody(body);
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new HttpProblem(400, `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
