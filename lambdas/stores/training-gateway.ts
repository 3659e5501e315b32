/**
 * SageMaker training and processing jobs. A job's name is a function of its inputs, so a job that exists is the one asked
 * for; that is looked at all the same, for a job that only has the name would be taken for ours with all that it made.
 */
import {
  CreateProcessingJobCommand,
  type CreateProcessingJobCommandInput,
  CreateTrainingJobCommand,
  type CreateTrainingJobCommandInput,
  DescribeProcessingJobCommand,
  type DescribeProcessingJobCommandOutput,
  type DescribeProcessingJobResponse,
  DescribeTrainingJobCommand,
  type DescribeTrainingJobResponse,
  ResourceInUse,
  ResourceNotFound,
  SageMakerClient,
  SageMakerServiceException,
} from '@aws-sdk/client-sagemaker';
import { type JobEnd, type ProcessingJobEnd, refusalOf, type TrainingJobEnd } from '../domain/jobs.ts';
import { inScriptMode } from '../domain/training-run.ts';

export type CreateOutcome =
  | { readonly outcome: 'created' | 'exists' }
  /** The name belongs to a job that is not the one asked for: it reads other data, or writes elsewhere, or has another role. */
  | { readonly outcome: 'taken'; readonly reason: string }
  /** What `refusalOf` says of it. */
  | { readonly outcome: 'unavailable' | 'in-use'; readonly reason: string };

export type TrainingGateway = ReturnType<typeof trainingGateway>;

export function trainingGateway(client = new SageMakerClient({})) {
  return {
    /** @throws when SageMaker refuses it for a reason that no other instance type would change */
    async createTrainingJob(request: CreateTrainingJobCommandInput): Promise<CreateOutcome> {
      const sent = client.send(new CreateTrainingJobCommand(request)).catch((error) => {
        if (!refusesEntrypoint(error)) throw error;
        return client.send(new CreateTrainingJobCommand(inScriptMode(request)));
      });
      return created(sent, async () => {
        const { TrainingJobName } = request;
        const job = await client.send(new DescribeTrainingJobCommand({ TrainingJobName }));
        return differences(`training job ${TrainingJobName}`, trainingParts(request), trainingParts(job));
      });
    },

    /** @throws when SageMaker refuses it for a reason that no other instance type would change */
    async createProcessingJob(request: CreateProcessingJobCommandInput): Promise<CreateOutcome> {
      return created(client.send(new CreateProcessingJobCommand(request)), async () => {
        const { ProcessingJobName } = request;
        const job = await client.send(new DescribeProcessingJobCommand({ ProcessingJobName }));
        return differences(`processing job ${ProcessingJobName}`, processingParts(request), processingParts(job));
      });
    },

    /** Undefined while the job runs. A job that was deleted has failed. */
    async trainingJobEnd(jobName: string): Promise<TrainingJobEnd | undefined> {
      const job = await unlessGone(client.send(new DescribeTrainingJobCommand({ TrainingJobName: jobName })));
      if (!job)
        return { ...GONE, artifact: '', image: '', billableSeconds: 0, trainingSeconds: 0, endedAt: new Date() };
      const trained = phaseSeconds(job.SecondaryStatusTransitions, 'Training');
      const end =
        job.SecondaryStatus === 'MaxWaitTimeExceeded'
          ? waitIsOver(trained)
          : jobEnd(job.TrainingJobStatus, job.FailureReason, job.SecondaryStatus);
      return (
        end && {
          ...end,
          artifact: job.ModelArtifacts?.S3ModelArtifacts ?? '',
          image: job.AlgorithmSpecification?.TrainingImage ?? '',
          billableSeconds: job.BillableTimeInSeconds ?? 0,
          trainingSeconds: trained,
          endedAt: job.TrainingEndTime ?? job.LastModifiedTime ?? new Date(),
        }
      );
    },

    /** Undefined while the job runs. A job that was deleted has failed. */
    async processingJobEnd(jobName: string): Promise<ProcessingJobEnd | undefined> {
      const job = await unlessGone(client.send(new DescribeProcessingJobCommand({ ProcessingJobName: jobName })));
      if (!job) return { ...GONE, seconds: 0, endedAt: new Date() };
      const end = jobEnd(job.ProcessingJobStatus, processingFailure(job), job.ExitMessage);
      const started = job.ProcessingStartTime?.getTime();
      const ended = job.ProcessingEndTime ?? job.LastModifiedTime ?? new Date();
      return end && { ...end, seconds: started === undefined ? 0 : (ended.getTime() - started) / 1000, endedAt: ended };
    },
  };
}

/**
 * SageMaker takes no entrypoint with this image. Nothing says that it does so for images of its algorithms, and nothing that
 * it does not: docs/decisions/0010-scripts-without-toolkit.md.
 */
function refusesEntrypoint(error: unknown): boolean {
  return (
    error instanceof SageMakerServiceException &&
    error.name === 'ValidationException' &&
    /entry\s?point/i.test(error.message)
  );
}

const GONE = { outcome: 'failed', reason: 'the job was stopped and deleted: SageMaker knows it no more' } as const;

async function created(sent: Promise<unknown>, compare: () => Promise<CreateOutcome>): Promise<CreateOutcome> {
  try {
    await sent;
    return { outcome: 'created' };
  } catch (error) {
    if (error instanceof ResourceInUse) return compare();
    const refusal = error instanceof Error ? refusalOf(error) : undefined;
    if (error instanceof Error && refusal) return { outcome: refusal, reason: error.message };
    throw error;
  }
}

/** What makes a job the one asked for: whose it is, what it reads and where it writes. */
type Parts = Readonly<Record<'role' | 'inputs' | 'output', string>>;

/** In an order of its own, and without the slash at the end, with which a prefix means the same. */
const uris = (all: readonly (string | undefined)[] = []): string =>
  all
    .map((uri = '') => uri.replace(/\/$/, ''))
    .toSorted()
    .join(', ');

type TrainingJob = Partial<Pick<DescribeTrainingJobResponse, 'RoleArn' | 'InputDataConfig' | 'OutputDataConfig'>>;
function trainingParts({ RoleArn = '', InputDataConfig, OutputDataConfig }: TrainingJob): Parts {
  return {
    role: RoleArn,
    inputs: uris(InputDataConfig?.map(({ DataSource }) => DataSource?.S3DataSource?.S3Uri)),
    output: uris([OutputDataConfig?.S3OutputPath]),
  };
}

type ProcessingJob = Pick<DescribeProcessingJobResponse, 'RoleArn' | 'ProcessingInputs' | 'ProcessingOutputConfig'>;
function processingParts({ RoleArn = '', ProcessingInputs, ProcessingOutputConfig }: ProcessingJob): Parts {
  return {
    role: RoleArn,
    inputs: uris(ProcessingInputs?.map(({ S3Input }) => S3Input?.S3Uri)),
    output: uris(ProcessingOutputConfig?.Outputs?.map(({ S3Output }) => S3Output?.S3Uri)),
  };
}

function differences(what: string, asked: Parts, found: Parts): CreateOutcome {
  const different = (['role', 'inputs', 'output'] as const).filter((part) => asked[part] !== found[part]);
  if (different.length === 0) return { outcome: 'exists' };
  const each = different.map((part) => `its ${part} is ${found[part]}, not ${asked[part]}`);
  return { outcome: 'taken', reason: `SageMaker has another ${what}: ${each.join('; ')}` };
}

/** The service model says ResourceNotFound; the services say ValidationException `Requested resource not found.` and `Could not find requested job`. */
async function unlessGone<Job>(described: Promise<Job>): Promise<Job | undefined> {
  try {
    return await described;
  } catch (error) {
    const gone =
      error instanceof ResourceNotFound ||
      (error instanceof Error && error.name === 'ValidationException' && /not found|not find/i.test(error.message));
    if (gone) return undefined;
    throw error;
  }
}

/** What the container said comes first: SageMaker's own reason may be no more than "see the logs". */
function processingFailure({ FailureReason: reason, ExitMessage: said }: DescribeProcessingJobCommandOutput) {
  if (!said || !reason || reason.includes(said)) return reason ?? said;
  return `${said.trim()} (${reason})`;
}

function jobEnd(
  status: string | undefined,
  failure: string | undefined,
  detail: string | undefined,
): JobEnd | undefined {
  switch (status) {
    case 'Completed':
      return { outcome: 'completed' };
    case 'Failed':
      return { outcome: 'failed', reason: failure ?? detail ?? 'SageMaker gave no reason' };
    case 'Stopped':
      return { outcome: 'failed', reason: `the job was stopped (${detail ?? 'Stopped'})` };
    default:
      return undefined;
  }
}

/**
 * A spot job that gets no instance does not fail: it waits, and is stopped when MaxWaitTimeInSeconds is over
 * (`MaxWaitTimeExceeded` of SecondaryStatus in the API reference). Before its container ran, that is a lack of capacity.
 */
function waitIsOver(trainingSeconds: number): JobEnd {
  const reason =
    trainingSeconds > 0
      ? 'the spot instance was taken away, and the time to wait for another is over (MaxWaitTimeExceeded)'
      : 'CapacityError: no spot instance in the time that the job may wait (MaxWaitTimeExceeded)';
  return { outcome: 'failed', reason };
}

function phaseSeconds(
  transitions: readonly { Status: string | undefined; StartTime: Date | undefined; EndTime?: Date | undefined }[] = [],
  phase: string,
): number {
  return transitions
    .filter((each) => each.Status === phase && each.StartTime && each.EndTime)
    .reduce((sum, each) => sum + ((each.EndTime?.getTime() ?? 0) - (each.StartTime?.getTime() ?? 0)) / 1000, 0);
}
