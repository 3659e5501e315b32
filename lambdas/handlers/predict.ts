/** POST /projects/{project}/predictions → one prediction a row, each with an id that names its origin. */
import { randomUUID } from 'node:crypto';
import * as z from 'zod/mini';
import { predictionRequest } from '../contract/http.ts';
import { endpointName, modelVersionName, predictionId } from '../contract/keys.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { checkInstances, parseCsvBody } from '../domain/prediction-rows.ts';
import type { Context } from '../runtime/event-handler.ts';
import { type HttpAnswer, HttpProblem, type HttpRequest, httpHandler } from '../runtime/http-handler.ts';
import { parseJsonBody } from '../runtime/json-body.ts';
import { projectNamed } from '../runtime/settings.ts';
import { type InferenceGateway, inferenceGateway } from '../stores/inference-gateway.ts';

interface Services {
  readonly inference: InferenceGateway;
}

/** What a client should wait before it asks an endpoint again that is being made. */
const RETRY_AFTER_SECONDS = 30;
/** Violations in one answer; more of them say no more. */
const MAXIMUM_VIOLATIONS = 100;

export const handler = httpHandler({
  name: 'predict',
  services: (): Services => ({ inference: inferenceGateway() }),
  handle: predict,
});

export async function predict(
  request: HttpRequest,
  { settings, services, now }: Context<Services>,
): Promise<HttpAnswer> {
  const project = projectNamed(settings, request.project);
  const { rows, form } = readRows(request, project);
  const checked = checkInstances(rows, project.data, form);
  if (!checked.ok) {
    const [first] = checked.violations;
    throw new HttpProblem(
      400,
      `row ${first?.row ?? 0}, column ${first?.column ?? '?'}: ${first?.rule ?? 'invalid'} (${checked.violations.length} violations)`,
      { violations: checked.violations.slice(0, MAXIMUM_VIOLATIONS) },
    );
  }
  const inferenceId = randomUUID();
  const at = now();
  const outcome = await services.inference.invoke(
    endpointName.build(settings.name, project.name),
    checked.instances,
    inferenceId,
  );
  switch (outcome.outcome) {
    case 'answered':
      return { status: 200, body: answerBody(project, outcome.answer, inferenceId, at) };
    case 'not-ready':
      throw new HttpProblem(
        503,
        `${project.name} has no model in service yet`,
        {},
        { 'retry-after': String(RETRY_AFTER_SECONDS) },
      );
    case 'refused':
      throw new HttpProblem(400, outcome.reason);
    case 'failed':
      throw new HttpProblem(502, outcome.reason);
  }
}

function readRows(request: HttpRequest, project: ProjectSettings) {
  const type = (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim();
  const form = type === 'text/csv' ? 'text' : 'json';
  const rows = form === 'text' ? csvRows(request.body) : jsonRows(request.body, type);
  const { maximumRows } = project.serving;
  if (rows.length > maximumRows)
    throw new HttpProblem(
      413,
      `got ${rows.length} rows, at most ${maximumRows} fit in one request (serving.maximumRows)`,
    );
  return { rows, form } as const;
}

function jsonRows(body: string, type: string | undefined): readonly Record<string, unknown>[] {
  if (type !== 'application/json')
    throw new HttpProblem(415, `got content type ${type}, expected application/json or text/csv`);
  const parsed = predictionRequest.safeParse(parseJsonBody(body));
  if (!parsed.success)
    throw new HttpProblem(
      400,
      `expected {column: value} or {"rows": [{column: value}]}: ${z.prettifyError(parsed.error)}`,
    );
  return parsed.data.rows;
}

function csvRows(body: string): readonly Record<string, unknown>[] {
  const parsed = parseCsvBody(body);
  if (!parsed.ok) throw new HttpProblem(400, parsed.reason);
  return parsed.rows;
}

function answerBody(
  project: ProjectSettings,
  answer: { modelVersion: string; predictions: readonly unknown[] },
  inferenceId: string,
  at: Date,
) {
  const model = modelVersionName.parse(answer.modelVersion);
  if (model?.project !== project.name)
    throw new Error(`the endpoint of ${project.name} answered as ${answer.modelVersion}`);
  const minute = at.toISOString().slice(0, 16).replaceAll(/[-:]/g, '');
  return {
    project: project.name,
    modelVersion: answer.modelVersion,
    predictions: answer.predictions.map((prediction, row) => ({
      predictionId: predictionId.build({ ...model, minute, inferenceId, row }),
      prediction,
    })),
  };
}
