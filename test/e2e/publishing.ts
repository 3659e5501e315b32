/** Events on the bus of an installation under test, in the name of whoever a test says. */
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { type Credentials, sessionOf } from '../support/sessions.ts';
import type { Deployed } from './deployed.ts';

/** As a function has them: the bus takes its events from nobody else. */
export async function functionSession({ outputs }: Deployed, handler: string): Promise<Credentials> {
  const FunctionName = outputs.Functions[handler];
  const { Role = '' } = await new LambdaClient({}).send(new GetFunctionConfigurationCommand({ FunctionName }));
  return sessionOf(Role, 'test');
}

/** Puts an event on the bus; fails with AWS's words when the call or the entry is refused. */
export async function publish(
  { outputs }: Deployed,
  DetailType: string,
  detail: { readonly project: string },
  credentials?: Credentials,
): Promise<void> {
  const client = new EventBridgeClient(credentials ? { credentials } : {});
  const Detail = JSON.stringify({ at: new Date().toISOString(), ...detail });
  const entry = { EventBusName: outputs.EventBus, Source: 'flywheel', DetailType, Detail };
  const { Entries } = await client.send(new PutEventsCommand({ Entries: [entry] }));
  if (Entries?.[0]?.ErrorCode) throw new Error(`${Entries[0].ErrorCode} ${Entries[0].ErrorMessage}`);
}
