/** POST /projects/{project}/predictions → one prediction a row, each with an id that names its origin. */
import { randomUUID } from 'node:crypto';
import { endpointName, modelVersionName, predictionId } from '../contract/keys.ts';
import { requestLimits } from '../contract/limits.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { checkInstances, parseCsvBody, parseJsonRows } from '../domain/prediction-rows.ts';
import type { Context } from '../runtime/event-handler.ts';
import { type HttpAnswer, HttpProblem, type HttpRequest, httpHandler } from '../runtime/http-handler.ts';
import { limitBody, parseJsonBody } from '../runtime/json-body.ts';
import { projectNamed } from '../runtime/settings.ts';
import { type InferenceGateway, inferenceGateway } from '../stores/inference-gateway.ts';

interface Services {
  readonly inference: InferenceGateway;
}

/** What a client should wait before it asks again: for an endpoint that is being made, or for SageMaker. */
const retryAfterSeconds = { notReady: 30, unavailable: 5 };

export const handler = httpHandler({
  name: 'predict',
  services: (): Services => ({ inference: inferenceGateway() }),
  handle: predict,
});

export async function predict(
  request: HttpRequest,
  { settings, services, now, log }: Context<Services>,
): Promise<HttpAnswer> {
  const project = projectNamed(settings, request.project);
  const { rows, form } = readRows(request, project);
  const checked = checkInstances(rows, project.data, form);
  if (!checked.ok) {
    const { violations, count } = checked;
    const [first] = violations;
    throw new HttpProblem(
      400,
      `row ${first?.row ?? 0}, column ${first?.column ?? '?'}: ${first?.rule ?? 'invalid'} (${count} violations)`,
      { violations: [...violations] },
    );
  }
  const inferenceId = randomUUID();
  const at = now();
  const outcome = await services.inference.invoke(
    endpointName.build(settings.name, project.name),
    modelBody(checked.instances),
    checked.instances.length,
    inferenceId,
  );
  switch (outcome.outcome) {
    case 'answered':
      return withinAnswer(answerBody(project, outcome.answer, inferenceId, at), rows.length);
    case 'not-ready':
      throw new HttpProblem(
        503,
        `${project.name} has no model in service yet`,
        {},
        { 'retry-after': String(retryAfterSeconds.notReady) },
      );
    case 'unavailable':
      log.warn('SageMaker did not take the request', { project: project.name, reason: outcome.reason });
      throw new HttpProblem(
        503,
        `SageMaker could not take the request for ${project.name} (${outcome.reason})`,
        { error: 'Unavailable' },
        { 'retry-after': String(retryAfterSeconds.unavailable) },
      );
    case 'refused':
      throw new HttpProblem(400, outcome.reason);
    case 'failed':
      throw new HttpProblem(502, outcome.reason);
  }
}

function readRows(request: HttpRequest, project: ProjectSettings) {
  limitBody(request.body);
  const type = (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim();
  if (type !== 'application/json' && type !== 'text/csv')
    throw new HttpProblem(415, `got content type ${type?.slice(0, 80)}, expected application/json or text/csv`);
  const form = type === 'text/csv' ? 'text' : 'json';
  const { maximumRows } = project.serving;
  const parsed =
    form === 'text' ? parseCsvBody(request.body, maximumRows) : parseJsonRows(parseJsonBody(request.body), maximumRows);
  if (!parsed.ok) throw new HttpProblem(parsed.tooMany ? 413 : 400, parsed.reason);
  return { rows: parsed.rows, form } as const;
}

/** What goes to the model: SageMaker refuses a longer body as if the request had no shape. */
function modelBody(instances: readonly object[]): string {
  const body = JSON.stringify({ instances });
  const bytes = Buffer.byteLength(body);
  if (bytes > requestLimits.modelBytes)
    throw new HttpProblem(
      413,
      `the features of ${instances.length} rows have ${bytes} bytes, at most ${requestLimits.modelBytes} go to a model in one request: send fewer rows`,
    );
  return body;
}

/** Lambda gives out no more, and an answer that is cut is none. */
function withinAnswer(body: object, rows: number): HttpAnswer {
  const bytes = Buffer.byteLength(JSON.stringify(body));
  if (bytes > requestLimits.answerBytes)
    throw new HttpProblem(
      413,
      `the predictions of ${rows} rows have ${bytes} bytes, at most ${requestLimits.answerBytes} fit in one answer: send fewer rows`,
    );
  return { status: 200, body };
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
