/** SageMaker training and processing jobs. A job's name is a function of its inputs, so a job that exists is the one asked for. */
import {
  CreateProcessingJobCommand,
  type CreateProcessingJobCommandInput,
  CreateTrainingJobCommand,
  type CreateTrainingJobCommandInput,
  DescribeProcessingJobCommand,
  type DescribeProcessingJobCommandOutput,
  DescribeTrainingJobCommand,
  ResourceInUse,
  ResourceLimitExceeded,
  SageMakerClient,
  SageMakerServiceException,
} from '@aws-sdk/client-sagemaker';
import type { JobEnd, TrainingJobEnd } from '../domain/jobs.ts';
import { inScriptMode } from '../domain/training-run.ts';

/** `no-quota`: the account may not run another instance of this type. */
export type CreateOutcome = 'created' | 'exists' | 'no-quota';

export type TrainingGateway = ReturnType<typeof trainingGateway>;

export function trainingGateway(client = new SageMakerClient({})) {
  return {
    async createTrainingJob(request: CreateTrainingJobCommandInput): Promise<CreateOutcome> {
      return created(
        client.send(new CreateTrainingJobCommand(request)).catch((error) => {
          if (!refusesEntrypoint(error)) throw error;
          return client.send(new CreateTrainingJobCommand(inScriptMode(request)));
        }),
      );
    },

    async createProcessingJob(request: CreateProcessingJobCommandInput): Promise<CreateOutcome> {
      return created(client.send(new CreateProcessingJobCommand(request)));
    },

    /** Undefined while the job runs. */
    async trainingJobEnd(jobName: string): Promise<TrainingJobEnd | undefined> {
      const job = await client.send(new DescribeTrainingJobCommand({ TrainingJobName: jobName }));
      const end = jobEnd(job.TrainingJobStatus, job.FailureReason, job.SecondaryStatus);
      return (
        end && {
          ...end,
          artifact: job.ModelArtifacts?.S3ModelArtifacts ?? '',
          image: job.AlgorithmSpecification?.TrainingImage ?? '',
          billableSeconds: job.BillableTimeInSeconds ?? 0,
          trainingSeconds: phaseSeconds(job.SecondaryStatusTransitions, 'Training'),
          endedAt: job.TrainingEndTime ?? job.LastModifiedTime ?? new Date(),
        }
      );
    },

    /** Undefined while the job runs. */
    async processingJobEnd(jobName: string): Promise<(JobEnd & { seconds: number; endedAt: Date }) | undefined> {
      const job = await client.send(new DescribeProcessingJobCommand({ ProcessingJobName: jobName }));
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

async function created(sent: Promise<unknown>): Promise<CreateOutcome> {
  try {
    await sent;
    return 'created';
  } catch (error) {
    if (error instanceof ResourceInUse) return 'exists';
    if (error instanceof ResourceLimitExceeded) return 'no-quota';
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

function phaseSeconds(
  transitions: readonly { Status: string | undefined; StartTime: Date | undefined; EndTime?: Date | undefined }[] = [],
  phase: string,
): number {
  return transitions
    .filter((each) => each.Status === phase && each.StartTime && each.EndTime)
    .reduce((sum, each) => sum + ((each.EndTime?.getTime() ?? 0) - (each.StartTime?.getTime() ?? 0)) / 1000, 0);
}
