/** `flywheel local ...`: the laptop cloud. */
import { Command, InvalidArgumentError } from 'commander';
import {
  cloudContainers,
  cloudEnvironment,
  cloudLogs,
  cloudStatus,
  resetCloud,
  type ServiceStatus,
  startCloud,
  stopCloud,
} from '../../local/cloud.ts';
import { plainCommand } from '../command.ts';
import { laptopCloud, notRunning } from '../connection.ts';
import { exitCodes } from '../failure.ts';
import { columns, createOutput, paint } from '../output.ts';

interface Options {
  readonly json: boolean;
}

export const localCommand = new Command('local')
  .description('the laptop cloud: AWS on this machine, without an account and without Docker')
  .addCommand(
    plainCommand('up', 'start it, or find it running')
      .option('--port <number>', 'port of the AWS services; SageMaker takes the next', readPort)
      .action(async ({ json, port }: Options & { port?: number }) => {
        const output = createOutput(json);
        output.progress('starting the laptop cloud');
        const cloud = await startCloud({
          ...laptopCloud(),
          ...(port && { ports: { cloud: port, sagemaker: port + 1 } }),
        });
        output.answer(cloud, () =>
          [
            `${cloud.started ? 'started' : 'was running'}: ${cloud.endpointUrl}, SageMaker ${cloud.sagemakerUrl}`,
            `containers: ${cloud.containers}`,
            `next: flywheel deploy`,
          ].join('\n'),
        );
      }),
  )
  .addCommand(
    plainCommand('down', 'stop it; what it holds stays').action(async ({ json }: Options) => {
      const stopped = await stopCloud(laptopCloud());
      createOutput(json).answer(stopped, () => columns(Object.entries(stopped)));
    }),
  )
  .addCommand(
    plainCommand('status', 'what runs; exit code 3 when something does not').action(async ({ json }: Options) => {
      const containers = await cloudContainers(laptopCloud());
      const status = { ...cloudStatus(laptopCloud()), containers };
      const services = Object.entries(status.services).map(([name, service]) => [name, describeService(service)]);
      createOutput(json).answer(status, () =>
        columns([...services, ...(containers === undefined ? [] : [['containers', containers]])]),
      );
      const running = Object.values(status.services).every((service) => service.state === 'running');
      if (!running) process.exitCode = exitCodes.notFound;
    }),
  )
  .addCommand(
    plainCommand('env', 'variables of it for a shell: the AWS CLI and SDKs then work with it').action(
      ({ json }: Options) => {
        const environment = cloudEnvironment(laptopCloud());
        if (!environment) throw notRunning();
        createOutput(json).answer(environment, () =>
          Object.entries(environment)
            .map(([name, value]) => `export ${name}='${value}'`)
            .join('\n'),
        );
      },
    ),
  )
  .addCommand(
    plainCommand('logs', 'last lines of its logs')
      .option('--lines <number>', 'lines of each log', readPort, 50)
      .action(({ json, lines }: Options & { lines: number }) => {
        const logs = cloudLogs({ ...laptopCloud(), lines });
        createOutput(json).answer(logs, () =>
          Object.entries(logs)
            .map(([name, text]) => [paint.bold(name), ...text].join('\n'))
            .join('\n\n'),
        );
      }),
  )
  .addCommand(
    plainCommand('reset', 'stop it and delete all it holds').action(async ({ json }: Options) => {
      await resetCloud(laptopCloud());
      createOutput(json).answer({ reset: true }, () => 'stopped and emptied; start anew: flywheel local up');
    }),
  );

function describeService(service: ServiceStatus): string {
  switch (service.state) {
    case 'running':
      return `${paint.green('running')} on port ${service.port}, process ${service.pid}`;
    case 'stopped':
      return 'stopped';
    case 'crashed':
      return [paint.red('crashed; last lines of its log:'), ...service.lastLines.map((line) => `  ${line}`)].join('\n');
  }
}

function readPort(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value < 65_535) return value;
  throw new InvalidArgumentError('Expected a number from 1 to 65534.');
}
