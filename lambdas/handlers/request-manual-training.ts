/** POST /projects/{project}/training-requests → TrainingDemanded, in the name of the caller. */
import { TrainingDemanded } from '../contract/events.ts';
import { trainingRequest } from '../contract/http.ts';
import { accepted, demandOf } from '../runtime/demand.ts';
import type { Context } from '../runtime/event-handler.ts';
import { type HttpAnswer, type HttpRequest, httpHandler } from '../runtime/http-handler.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';

interface Services {
  readonly events: EventPublisher;
}

export const handler = httpHandler({
  name: 'request-manual-training',
  services: (environment): Services => ({ events: eventPublisher(environment.EVENT_BUS_NAME) }),
  handle: requestManualTraining,
});

export async function requestManualTraining(
  request: HttpRequest,
  { services, now }: Context<Services>,
): Promise<HttpAnswer> {
  const demand = demandOf(request, trainingRequest, '{"reason": "...", "force": false}');
  const { requestedBy, demandId, body } = demand;
  const at = now().toISOString();
  await services.events.publish(TrainingDemanded, { project: request.project, at, requestedBy, demandId, ...body });
  return accepted(demand, at);
}
