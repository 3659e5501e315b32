/** `flywheel status`: where the loop of each project is, what failed and why, what waits, which alarms ring. */
import { type CommonOptions, environmentCommand, open } from '../command.ts';
import { projectOf } from '../connection.ts';
import { environmentStatus, projectStatus, renderEnvironment, renderProject } from '../status.ts';

export const statusCommand = environmentCommand('status', 'the loop of a project, or of all, at a glance')
  .argument('[project]')
  .action(async (name: string | undefined, options: CommonOptions) => {
    const session = await open(options);
    const { environment, output, store } = session;
    const names =
      name === undefined ? environment.projects.map((each) => each.name) : [projectOf(environment, name).name];
    const [projects, status] = await Promise.all([
      Promise.all(names.map((each) => projectStatus(store, each))),
      environmentStatus(session),
    ]);
    output.answer({ environment: environment.name, projects, ...status }, () =>
      [...projects.map((each) => renderProject(each, Date.now())), renderEnvironment(status)].join('\n\n'),
    );
  });
