/** An endpoint changed → the deployment under way is in service, rolled back, or goes on. */
import { endpointDeploymentStateChange, endpointStateChange } from '../contract/aws-events.ts';
import { StepOverdue } from '../contract/events.ts';
import { endpointName } from '../contract/keys.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { findProject } from '../runtime/settings.ts';
import { settleDeployment } from '../steps/serving/settle-deployment.ts';
import { type AlarmStore, alarmStore } from '../stores/alarm-store.ts';
import { type EndpointGateway, endpointGateway } from '../stores/endpoint-gateway.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';

type Events = ParsedEvent<typeof endpointStateChange | typeof endpointDeploymentStateChange | typeof StepOverdue>;
interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
  readonly sageMaker: Pick<EndpointGateway, 'describe'>;
  readonly alarms: Pick<AlarmStore, 'remove'>;
}

export const handler = eventHandler({
  name: 'finish-deployment',
  consumes: [endpointStateChange, endpointDeploymentStateChange, StepOverdue],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
    sageMaker: endpointGateway(),
    alarms: alarmStore(),
  }),
  handle: finishDeployment,
});

export async function finishDeployment(event: Events, context: Context<Services>): Promise<void> {
  const endpoint = event.type === 'StepOverdue' ? event.detail.name : event.detail.EndpointName;
  const name = endpointName.parse(context.settings.name, endpoint);
  // An endpoint of a project that this environment no longer has: nothing of it is wanted.
  if (name === undefined || !findProject(context.settings, name)) return;
  await settleDeployment(name, endpoint, context);
}
