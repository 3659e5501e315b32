/** The demo's figures: what the events, the lineage table and SageMaker say about it, and which promises held. */
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { DescribeProcessingJobCommand, DescribeTrainingJobCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { DeploymentRolledBack, DriftMeasured, ModelDeployed, TrainingStarted } from '../../lambdas/contract/events.ts';
import { endpointName } from '../../lambdas/contract/keys.ts';
import type { EvaluationFile } from '../../lambdas/contract/model-files.ts';
import type { Session } from '../command.ts';
import { LOCAL } from '../connection.ts';
import type { JournalEntry } from '../journal.ts';
import { renderJson } from '../lineage/render.ts';
import type { DeadLetters } from '../queues.ts';
import type { Told } from './story.ts';
import { type ContainerTime, loopSteps, type Step, sumOf } from './timing.ts';

export interface ModelFigures {
  readonly version: number;
  readonly datasetVersion: number;
  readonly trigger: string;
  readonly decision: string;
  readonly reasons: readonly string[];
  readonly metrics: EvaluationFile['candidate']['metrics'];
  /** On the same rows; null for the first model. */
  readonly champion: EvaluationFile['candidate']['metrics'] | null;
}

export interface DemoReport {
  readonly ok: boolean;
  readonly project: string;
  readonly promises: readonly { readonly promise: string; readonly held: boolean }[];
  readonly events: readonly ({ readonly type: string; readonly at: string } & Record<string, unknown>)[];
  readonly models: readonly ModelFigures[];
  readonly deployments: readonly {
    readonly model: number;
    readonly outcome: 'in-service' | 'rolled-back';
    readonly at: string;
  }[];
  readonly drift: {
    readonly detected: boolean;
    /** The model whose traffic drifted. */
    readonly model: number;
    readonly features: readonly { readonly name: string; readonly psi: number; readonly drifted: boolean }[];
    readonly rows: number;
    readonly threshold: number;
  };
  readonly quarantine: { readonly upload: string; readonly reason: string; readonly report: unknown };
  readonly lineage: ReturnType<typeof renderJson>;
  readonly predictionId: string;
  readonly traffic: Told['traffic'] & { readonly replayedRows: number };
  readonly containers: readonly ContainerTime[];
  readonly timing: {
    /** Data, laptop cloud, deployment. */
    readonly setupMs: number;
    /** From the first upload to the first model in service. */
    readonly loopMs: number;
    /** Of that, inside the programs of the training and evaluation containers. */
    readonly containerMs: number;
    /** The rest: functions, events, SageMaker, and the start of the model server. */
    readonly overheadMs: number;
    /** The loop, step by step. */
    readonly steps: readonly Step[];
    /** The whole story, without the set-up. */
    readonly storyMs: number;
  };
}

export async function makeReport(
  session: Session,
  project: Session['environment']['projects'][number],
  told: Told,
  events: readonly JournalEntry[],
  measured: { readonly setupMs: number; readonly storyMs: number; readonly deadLetters: readonly DeadLetters[] },
): Promise<DemoReport> {
  const models = await modelFigures(session, project.name);
  const containers = await containerTimes(session, project.name);
  const steps = loopSteps(told.firstUploadAt, events, containers, 1);
  const features = driftFeatures(told, events);
  const lineage = renderJson(told.lineage);
  const promises = promisesOf(told, models, events, features, lineage, measured.deadLetters);
  return {
    ok: promises.every((each) => each.held),
    project: project.name,
    promises,
    events: events.map(({ type, at, detail }) => ({ ...detail, type, at })),
    models,
    deployments: events.flatMap(({ type, at, detail }) =>
      type === ModelDeployed.detailType || type === DeploymentRolledBack.detailType
        ? [
            {
              model: Number(detail.model),
              outcome: type === ModelDeployed.detailType ? ('in-service' as const) : ('rolled-back' as const),
              at,
            },
          ]
        : [],
    ),
    drift: {
      detected: true,
      model: told.drift.model,
      features,
      rows: told.drift.rows,
      threshold: project.monitoring.psi,
    },
    quarantine: { upload: told.quarantine.upload, reason: told.quarantine.reason, report: told.quarantine.content },
    lineage,
    predictionId: told.predictionId,
    traffic: { ...told.traffic, replayedRows: told.replayedRows },
    containers,
    timing: {
      setupMs: Math.round(measured.setupMs),
      loopMs: sumOf(steps),
      containerMs: sumOf(steps, (step) => step.inContainer),
      overheadMs: sumOf(steps, (step) => !step.inContainer),
      steps,
      storyMs: Math.round(measured.storyMs),
    },
  };
}

/** The features of the measurement that declared the drift: all of them, those that did not drift too. */
function driftFeatures({ drift }: Told, events: readonly JournalEntry[]): DemoReport['drift']['features'] {
  const measurements = events
    .filter((entry) => entry.type === DriftMeasured.detailType)
    .map((entry) => DriftMeasured.detail.parse(entry.detail));
  return (
    measurements.find((each) => each.decision === 'drifted' && each.model === drift.model)?.features ?? []
  ).toSorted((a, b) => b.psi - a.psi);
}

async function modelFigures({ store }: Session, project: string): Promise<ModelFigures[]> {
  const models = await store.newest('model', project, 50);
  return Promise.all(
    models.toReversed().map(async (model) => {
      const [run, evaluation, decision] = await Promise.all([
        store.require('training-run', project, model.runId),
        model.evaluationJob === undefined ? undefined : store.get('evaluation', project, model.evaluationJob),
        store.get('decision', project, model.model),
      ]);
      return {
        version: model.model,
        datasetVersion: model.datasetVersion,
        trigger: run.trigger,
        decision: decision?.decision ?? model.status,
        reasons: decision?.reasons ?? [],
        metrics: evaluation?.evaluation?.candidate.metrics ?? {},
        champion: evaluation?.evaluation?.champion?.metrics ?? null,
      };
    }),
  );
}

/**
 * When programs ran, as SageMaker tells it: a training job's secondary status Training begins when its process starts
 * and ends when it exits; of a processing job these are ProcessingStartTime and ProcessingEndTime.
 */
export async function containerTimes({ store }: Pick<Session, 'store'>, project: string): Promise<ContainerTime[]> {
  const sageMaker = new SageMakerClient({});
  const models = await store.newest('model', project, 50);
  const times = await Promise.all(
    models.toReversed().map(async (model) => {
      const training = await sageMaker.send(new DescribeTrainingJobCommand({ TrainingJobName: model.jobName }));
      const phases = (training.SecondaryStatusTransitions ?? []).filter((each) => each.Status === 'Training');
      const trained = phases.map(({ StartTime, EndTime }) =>
        stay('training', model.jobName, model.model, StartTime, EndTime),
      );
      if (model.evaluationJob === undefined) return trained;
      const processing = await sageMaker.send(
        new DescribeProcessingJobCommand({ ProcessingJobName: model.evaluationJob }),
      );
      const { ProcessingStartTime, ProcessingEndTime } = processing;
      return [...trained, stay('evaluation', model.evaluationJob, model.model, ProcessingStartTime, ProcessingEndTime)];
    }),
  );
  return [...times.flat(), ...(await servingStarts(store, project))];
}

const FIRST_PING = /answered its first ping after (\d+) ms/;

/**
 * From the start of a model server's program to its first good ping: SageMaker local says so in the endpoint's log.
 * Deployments follow each other, so the programs start in the order of their models.
 */
async function servingStarts(store: Session['store'], project: string): Promise<ContainerTime[]> {
  const deployments = (await store.newest('deployment', project, 50)).toReversed();
  const logGroupName = `/aws/sagemaker/Endpoints/${endpointName.build(LOCAL, project)}`;
  let starts: readonly { from: number; to: number }[] = [];
  // Logs arrive in batches, a moment after what they tell.
  for (let look = 0; look < 50 && starts.length < deployments.length; look += 1) {
    if (look > 0) await new Promise((resolve) => setTimeout(resolve, 100));
    starts = await firstPings(logGroupName);
  }
  return deployments.flatMap(({ model, endpointConfig }, index) => {
    const start = starts[index];
    return start ? [{ kind: 'serving' as const, job: endpointConfig, model, ...start }] : [];
  });
}

async function firstPings(logGroupName: string) {
  const { events = [] } = await new CloudWatchLogsClient({}).send(new FilterLogEventsCommand({ logGroupName }));
  return events.flatMap(({ message = '', timestamp = 0 }) => {
    const milliseconds = FIRST_PING.exec(message)?.[1];
    return milliseconds === undefined ? [] : [{ from: timestamp - Number(milliseconds), to: timestamp }];
  });
}

function stay(kind: ContainerTime['kind'], job: string, model: number, from?: Date, to?: Date): ContainerTime {
  if (!from || !to) throw new Error(`SageMaker does not tell when the program of ${job} ran`);
  return { kind, job, model, from: from.getTime(), to: to.getTime() };
}

function promisesOf(
  told: Told,
  models: readonly ModelFigures[],
  events: readonly JournalEntry[],
  features: readonly { name: string; psi: number }[],
  lineage: ReturnType<typeof renderJson>,
  deadLetters: readonly DeadLetters[],
): DemoReport['promises'] {
  const approved = models.filter((model) => model.decision === 'approve').length;
  const types = new Set<string>(lineage.nodes.map((node) => node.type));
  const uploads = lineage.nodes.filter((node) => node.type === 'upload');
  const places = JSON.stringify(told.quarantine.content);
  const answeredBy = Object.keys(told.traffic.byModel).length;
  const champions = events.filter((entry) => entry.type === TrainingStarted.detailType).length;
  return [
    { promise: `at least two models were approved (${approved} of ${champions} trained)`, held: approved >= 2 },
    {
      promise: `every prediction was answered while models changed (${told.traffic.answered} by ${answeredBy} models)`,
      held: told.traffic.refused.length === 0 && answeredBy >= 3,
    },
    {
      promise: 'two weeks of data were registered and did not start a training run',
      held: told.suppressed.length === 2 && told.suppressed.every((each) => each.rule === 'new-rows'),
    },
    {
      promise: 'the broken file was quarantined with line, column and rule, and the data stayed as it was',
      held: places.includes('1205') && places.includes('dep_delay') && told.versions[0] === told.versions[1],
    },
    {
      promise: 'the summer was recognized as drift, the temperature above all',
      held: told.drift.features.some((each) => each.name === 'temp') && features.length > 0,
    },
    {
      promise: 'drift started a training run on newer data, and its model went into service',
      held:
        told.retraining.trigger === 'drift' &&
        told.retraining.datasetVersion >
          (models.find((each) => each.version === told.drift.model)?.datasetVersion ?? 0),
    },
    {
      promise:
        'one prediction leads back to its request, the bytes it came from, the code, the run, the decision and who uploaded',
      held:
        ['prediction', 'deployment', 'decision', 'model', 'training-run', 'code', 'dataset-version', 'agent'].every(
          (type) => types.has(type),
        ) &&
        uploads.length >= 2 &&
        uploads.every((node) => 'sha256' in node),
    },
    { promise: 'no function gave up on an event', held: deadLetters.length === 0 },
  ];
}
