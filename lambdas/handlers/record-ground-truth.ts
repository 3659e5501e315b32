/** POST /projects/{project}/ground-truth → the labels that came later, kept by prediction id. */
import * as z from 'zod/mini';
import { groundTruthRequest } from '../contract/http.ts';
import { predictionId } from '../contract/keys.ts';
import type { Context } from '../runtime/event-handler.ts';
import { type HttpAnswer, HttpProblem, type HttpRequest, httpHandler } from '../runtime/http-handler.ts';
import { parseJsonBody } from '../runtime/json-body.ts';
import { type CaptureStore, captureStore } from '../stores/capture-store.ts';

interface Services {
  readonly captures: Pick<CaptureStore, 'writeGroundTruth'>;
}

export const handler = httpHandler({
  name: 'record-ground-truth',
  services: (environment): Services => ({ captures: captureStore(environment.CAPTURE_BUCKET) }),
  handle: recordGroundTruth,
});

export async function recordGroundTruth(
  request: HttpRequest,
  { services, now }: Context<Services>,
): Promise<HttpAnswer> {
  const parsed = groundTruthRequest.safeParse(parseJsonBody(request.body));
  if (!parsed.success)
    throw new HttpProblem(
      400,
      `expected {"labels": [{"predictionId": "...", "label": ...}]}: ${z.prettifyError(parsed.error)}`,
    );
  const { labels } = parsed.data;
  const violations = labels.flatMap(({ predictionId: id }, row) =>
    predictionId.parse(id)?.project === request.project
      ? []
      : [{ row, column: 'predictionId', rule: `a prediction id of ${request.project}` }],
  );
  if (violations.length > 0)
    throw new HttpProblem(
      400,
      `${violations.length} prediction ids are not of ${request.project}; nothing was recorded`,
      {
        violations: violations.slice(0, 100),
      },
    );
  await services.captures.writeGroundTruth(request.project, labels, now());
  return { status: 202, body: { accepted: labels.length } };
}
