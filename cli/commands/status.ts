/** `flywheel status`: where the loop of each project is, what failed and why, what waits, which alarms ring. */
import { type CommonOptions, environmentCommand, open } from '../command.ts';
import { projectOf } from '../connection.ts';
import { peekDeadLetters, peekUnansweredRequests } from '../queues.ts';
import { projectStatus, renderEnvironment, renderProject, ringingAlarms } from '../status.ts';

export const statusCommand = environmentCommand('status', 'the loop of a project, or of all, at a glance')
  .argument('[project]')
  .action(async (name: string | undefined, options: CommonOptions) => {
    const { environment, outputs, output, store } = await open(options);
    const names =
      name === undefined ? environment.projects.map((each) => each.name) : [projectOf(environment, name).name];
    const [projects, deadLetters, unansweredRequests, alarms] = await Promise.all([
      Promise.all(names.map((each) => projectStatus(store, each))),
      peekDeadLetters(outputs.DeadLetterQueues),
      peekUnansweredRequests(outputs.UnansweredRequestsQueue),
      ringingAlarms(environment.name),
    ]);
    output.answer({ environment: environment.name, projects, deadLetters, unansweredRequests, alarms }, () =>
      [
        ...projects.map((each) => renderProject(each, Date.now())),
        renderEnvironment(deadLetters, unansweredRequests, alarms),
      ].join('\n\n'),
    );
  });
