import { HttpProblem } from './http-handler.ts';

/** @throws HttpProblem 400 */
export function parseJsonBody(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new HttpProblem(400, `the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
