/** What every command of an environment shares: `--env`, `--json`, and the way from there to an answer. */
import { Command } from 'commander';
import { lineageStore } from '../lambdas/stores/lineage-store.ts';
import { type Connection, connect, LOCAL } from './connection.ts';
import { createOutput, type Output } from './output.ts';

export interface CommonOptions {
  readonly env: string;
  readonly json: boolean;
}

export function environmentCommand(nameAndArguments: string, description: string): Command {
  return plainCommand(nameAndArguments, description).option('--env <name>', 'environment of flywheel.config.ts', LOCAL);
}

export function plainCommand(nameAndArguments: string, description: string): Command {
  return new Command(nameAndArguments)
    .description(description)
    .option('--json', 'answer in JSON on stdout, for programs', false);
}

export interface Session extends Connection {
  readonly output: Output;
  readonly store: ReturnType<typeof lineageStore>;
}

/** Connects to the environment of the options. @throws CommandFailed */
export async function open({ env, json }: CommonOptions): Promise<Session> {
  const connection = await connect(env);
  return { ...connection, output: createOutput(json), store: lineageStore(connection.outputs.LineageTable) };
}
