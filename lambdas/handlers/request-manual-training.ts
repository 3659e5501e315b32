/** POST /projects/{project}/training-requests → TrainingDemanded, in the name of the caller. */
import { TrainingDemanded } from '../contract/events.ts';
import { trainingRequest } from '../contract/http.ts';
import { accepted, demandOf } from '../runtime/demand.ts';
import type { Context } from '../runtime/event-handler.ts';
import { type HttpAnswer, type HttpRequest, httpHandler } from '../runtime/http-handler.ts';
import { publishDemand } from '../steps/operations/demands.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';

interface Services {
  readonly lineage: Pick<LineageStore, 'once'>;
  readonly events: EventPublisher;
}

export const handler = httpHandler({
  name: 'request-manual-training',
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
  }),
  handle: requestManualTraining,
});

export async function requestManualTraining(
  request: HttpRequest,
  { services, now }: Context<Services>,
): Promise<HttpAnswer> {
  const demand = demandOf(request, TrainingDemanded.detailType, trainingRequest, '{"reason": "...", "force": false}');
  const { requestedBy, demandId, body } = demand;
  const detail = { project: request.project, at: now().toISOString(), requestedBy, demandId, ...body };
  return accepted(demand, await publishDemand(TrainingDemanded, detail, services));
}
