/** Who may publish on an event bus: its policy and the caller's, by source and detail-type. */
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { account, type Claim, type Clients, deployed, optionsOfRole, policy, region, unique } from '../requests.ts';

export const eventBusClaims: readonly Claim[] = [
  [
    'event_buses',
    "a bus's policy refuses an administrator and the root user, and lets in whom it leaves out",
    busRefuses,
  ],
  ['event_buses', 'a role publishes the detail-type that its policy names, and no other', roleIsHeldToItsEvents],
  ['event_buses', 'AWS::Events::EventBusPolicy', async (cloud) => (await guardedBus(cloud)) !== undefined],
];

type Options = ConstructorParameters<typeof EventBridgeClient>[0];

/** @returns undefined when EventBridge refuses the call or the entry */
async function published(
  options: Options,
  EventBusName: string,
  ...types: readonly string[]
): Promise<string | undefined> {
  const Entries = types.map((DetailType) => ({ EventBusName, Source: 'test', DetailType, Detail: '{}' }));
  const answer = await new EventBridgeClient({ ...options })
    .send(new PutEventsCommand({ Entries }))
    .catch((error: Error) => {
      if (!/AccessDenied/.test(error.name)) throw error;
      return { Entries: [] };
    });
  return answer.Entries?.[0]?.EventId;
}

/** A bus that refuses all but the roles under a path; undefined when it was not made. */
async function guardedBus(cloud: Clients): Promise<string | undefined> {
  const name = unique();
  const statement = {
    Effect: 'Deny',
    Principal: { AWS: '*' },
    Action: 'events:PutEvents',
    Resource: `arn:aws:events:${region}:${account}:event-bus/${name}`,
    Condition: {
      ArnNotLike: { 'aws:PrincipalArn': `arn:aws:iam::${account}:role/ours/*` },
      BoolIfExists: { 'aws:PrincipalIsAWSService': 'false' },
    },
  };
  const { status } = await deployed(cloud, {
    Resources: {
      Bus: { Type: 'AWS::Events::EventBus', Properties: { Name: name } },
      Policy: {
        Type: 'AWS::Events::EventBusPolicy',
        DependsOn: 'Bus',
        Properties: { EventBusName: name, StatementId: 'OnlyOurs', Statement: statement },
      },
    },
  });
  return status === 'CREATE_COMPLETE' ? name : undefined;
}

async function busRefuses(cloud: Clients): Promise<boolean> {
  const bus = await guardedBus(cloud);
  if (bus === undefined) return false;
  const everything = policy({ Effect: 'Allow', Action: 'events:*', Resource: '*' });
  const administrator = await optionsOfRole(cloud, everything);
  const ours = await optionsOfRole(cloud, everything, '/ours/functions/');
  const root = { endpoint: cloud.endpoint, region, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
  return (
    (await published(administrator, bus, 'Test')) === undefined &&
    (await published(root, bus, 'Test')) === undefined &&
    (await published(ours, bus, 'Test')) !== undefined
  );
}

async function roleIsHeldToItsEvents(cloud: Clients): Promise<boolean> {
  const own = { StringEquals: { 'events:source': 'test', 'events:detail-type': ['Own', 'Other'] } };
  const document = policy({ Effect: 'Allow', Action: 'events:PutEvents', Resource: '*', Condition: own });
  const options = await optionsOfRole(cloud, document);
  return (
    (await published(options, 'default', 'Own', 'Other')) !== undefined &&
    (await published(options, 'default', 'Foreign')) === undefined &&
    (await published(options, 'default', 'Own', 'Foreign')) === undefined
  );
}
