/** `flywheel redrive`: give a function again the events that it gave up on. */
import { type CommonOptions, environmentCommand, open } from '../command.ts';
import { CommandFailed, exitCodes } from '../failure.ts';
import { columns } from '../output.ts';
import { APPROVAL_REQUESTS, type Redriven, redrive } from '../queues.ts';

export const redriveCommand = environmentCommand('redrive', 'retry the events in dead-letter queues')
  .argument('[handler]', 'one function, by the name of its file in lambdas/handlers; default: all')
  .action(async (handler: string | undefined, options: CommonOptions) => {
    const { outputs, output } = await open(options);
    if (handler === APPROVAL_REQUESTS)
      throw new CommandFailed(
        'A request for approval is not given again: approve or reject the model (flywheel approve MODEL, flywheel reject MODEL), ' +
          `then delete the message from the queue ${outputs.UnansweredRequestsQueue}.`,
        exitCodes.usage,
      );
    const handlers = Object.keys(outputs.DeadLetterQueues).toSorted();
    if (handler !== undefined && !handlers.includes(handler)) {
      throw new CommandFailed(
        `There is no dead-letter queue of ${handler}; there are those of: ${handlers.join(', ')}.`,
        exitCodes.notFound,
      );
    }
    const results: Redriven[] = [];
    for (const name of handler === undefined ? handlers : [handler]) {
      const [queue, functionName] = [outputs.DeadLetterQueues[name], outputs.Functions[name]];
      if (!queue || !functionName)
        throw new CommandFailed(`The stacks do not tell the function of ${name}; deploy again.`);
      const result = await redrive(name, queue, functionName);
      if (result.messages > 0) output.progress(`${name}: ${result.messages} given again`);
      results.push(result);
    }
    output.answer(results, () => {
      const given = results.filter((result) => result.messages > 0);
      return given.length === 0
        ? 'no events are waiting'
        : columns(given.map((result) => [result.handler, `${result.messages} events given to it again`]));
    });
  });
