/** GET /projects/{project} → what serves, since when, how good it was, and what is on its way. */
import type { ProjectSettings } from '../contract/settings.ts';
import type { Context } from '../runtime/event-handler.ts';
import { type HttpAnswer, type HttpRequest, httpHandler } from '../runtime/http-handler.ts';
import { projectNamed } from '../runtime/settings.ts';
import { type LineageStore, lineageStore } from '../stores/lineage-store.ts';

interface Services {
  readonly lineage: LineageStore;
}

export const handler = httpHandler({
  name: 'describe-project',
  services: (environment): Services => ({ lineage: lineageStore(environment.TABLE_NAME) }),
  handle: describeProject,
});

export async function describeProject(
  request: HttpRequest,
  { settings, services }: Context<Services>,
): Promise<HttpAnswer> {
  const project = projectNamed(settings, request.project);
  const state = await services.lineage.state(project.name);
  const champion =
    state.champion === undefined ? undefined : await services.lineage.require('model', project.name, state.champion);
  const deployment =
    state.champion === undefined ? undefined : await services.lineage.get('deployment', project.name, state.champion);
  return {
    status: 200,
    body: {
      project: project.name,
      objective: project.problem.objective,
      decision: project.problem.decision,
      limits: project.problem.limits,
      features: features(project),
      datasetVersion: state.datasetVersion ?? null,
      inService: champion
        ? {
            modelVersion: `${project.name}/${champion.model}`,
            since: deployment?.endedAt ?? null,
            datasetVersion: champion.datasetVersion,
            metrics: champion.metrics ?? {},
          }
        : null,
      wanted: state.wanted === undefined ? null : `${project.name}/${state.wanted}`,
      drifting: state.driftedModel !== undefined && state.driftedModel === state.champion,
    },
  };
}

/** What a prediction request must bring. */
function features(project: ProjectSettings) {
  return Object.entries(project.data.columns)
    .filter(([, column]) => column.role === 'feature')
    .map(([name, { type, nullable, min, max, values }]) => ({ name, type, nullable, min, max, values }));
}
