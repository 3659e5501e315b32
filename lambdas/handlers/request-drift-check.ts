/** POST /projects/{project}/drift-checks → DriftMeasurementDemanded, in the name of the caller. */
import { DriftMeasurementDemanded } from '../contract/events.ts';
import { driftCheckRequest } from '../contract/http.ts';
import { accepted, demandOf } from '../runtime/demand.ts';
import type { Context } from '../runtime/event-handler.ts';
import { type HttpAnswer, HttpProblem, type HttpRequest, httpHandler } from '../runtime/http-handler.ts';
import { publishDemand } from '../steps/operations/demands.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';

interface Services {
  readonly lineage: Pick<LineageStore, 'state' | 'once'>;
  readonly events: EventPublisher;
}

export const handler = httpHandler({
  name: 'request-drift-check',
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
  }),
  handle: requestDriftCheck,
});

export async function requestDriftCheck(
  request: HttpRequest,
  { services, now }: Context<Services>,
): Promise<HttpAnswer> {
  const demand = demandOf(request, DriftMeasurementDemanded.detailType, driftCheckRequest, 'no body, or {}');
  const { project } = request;
  const { champion } = await services.lineage.state(project);
  if (champion === undefined)
    throw new HttpProblem(409, `${project} has no model in service, so there is nothing to measure`);
  const { requestedBy, demandId } = demand;
  const detail = { project, at: now().toISOString(), requestedBy, demandId };
  return accepted(demand, await publishDemand(DriftMeasurementDemanded, detail, services));
}
