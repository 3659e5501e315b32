/** POST /projects/{project}/models/{model}/decisions → ApprovalGiven, in the name of the caller; judge-candidate acts on it. */
import { ApprovalGiven } from '../contract/events.ts';
import { decisionRequest } from '../contract/http.ts';
import { modelVersionName } from '../contract/keys.ts';
import { effectOfDecision } from '../domain/gate/person.ts';
import { accepted, demandOf } from '../runtime/demand.ts';
import type { Context } from '../runtime/event-handler.ts';
import { type HttpAnswer, HttpProblem, type HttpRequest, httpHandler } from '../runtime/http-handler.ts';
import { publishDemand, recordedDemand } from '../steps/operations/demands.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';

interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
}

export const handler = httpHandler({
  name: 'decide-model',
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
  }),
  handle: decideModel,
});

export async function decideModel(request: HttpRequest, { services, now }: Context<Services>): Promise<HttpAnswer> {
  const demand = demandOf(
    request,
    ApprovalGiven.detailType,
    decisionRequest,
    '{"decision": "approve" or "reject", "reason": "..."}',
  );
  const { lineage } = services;
  const { project } = request;
  const { body, demandId, requestedBy } = demand;
  const version = `${project}/${request.parameters.model}`;
  const number = modelVersionName.parse(version)?.model;
  const model = number === undefined ? undefined : await lineage.get('model', project, number);
  if (!model) throw new HttpProblem(404, `there is no model ${version}`);
  // The same demand again, after its answer was lost: it was taken, whatever has become of the model since.
  if (!(await recordedDemand(ApprovalGiven, { project, demandId }, lineage))) {
    const { champion } = await lineage.state(project);
    const deployment = await lineage.get('deployment', project, model.model);
    const { refusal } = effectOfDecision(body.decision, { model, champion, deployment: deployment?.status });
    if (refusal !== undefined) throw new HttpProblem(409, `${version} ${refusal}`);
  }
  const detail = { project, at: now().toISOString(), model: model.model, decidedBy: requestedBy, demandId, ...body };
  return accepted(demand, await publishDemand(ApprovalGiven, detail, services));
}
