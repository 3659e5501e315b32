/** POST /projects/{project}/ground-truth → the labels that came later, kept by prediction id. */
import * as z from 'zod/mini';
import { groundTruthRequest } from '../contract/http.ts';
import { checkLabels } from '../domain/ground-truth.ts';
import type { Context } from '../runtime/event-handler.ts';
import { type HttpAnswer, HttpProblem, type HttpRequest, httpHandler } from '../runtime/http-handler.ts';
import { parseJsonBody } from '../runtime/json-body.ts';
import { projectNamed } from '../runtime/settings.ts';
import { type CaptureStore, captureStore } from '../stores/capture-store.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';

interface Services {
  readonly lineage: Pick<LineageStore, 'state'>;
  readonly captures: Pick<CaptureStore, 'writeGroundTruth'>;
}

export const handler = httpHandler({
  name: 'record-ground-truth',
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    captures: captureStore(environment.CAPTURE_BUCKET),
  }),
  handle: recordGroundTruth,
});

export async function recordGroundTruth(
  request: HttpRequest,
  { settings, services, now }: Context<Services>,
): Promise<HttpAnswer> {
  const parsed = groundTruthRequest.safeParse(parseJsonBody(request.body));
  if (!parsed.success)
    throw new HttpProblem(
      400,
      `expected {"labels": [{"predictionId": "...", "label": ...}]}: ${z.prettifyError(parsed.error)}`,
    );
  const project = projectNamed(settings, request.project);
  const { model } = await services.lineage.state(project.name);
  const checked = checkLabels(parsed.data.labels, project, { newestModel: model, now: now() });
  if (!checked.ok) {
    const { violations, count } = checked;
    const [first] = violations;
    throw new HttpProblem(
      400,
      `label ${first?.row ?? 0}, ${first?.column ?? '?'}: ${first?.rule ?? 'invalid'} (${count} of ${parsed.data.labels.length} labels); nothing was recorded`,
      { violations: [...violations] },
    );
  }
  await services.captures.writeGroundTruth(project.name, checked.labels, {
    recordedBy: request.caller ?? 'unknown',
    receivedAt: now().toISOString(),
  });
  return { status: 202, body: { accepted: checked.labels.length } };
}
