import { join } from 'node:path';
import { epochSeconds } from '../core/clock.ts';
import type { Core } from '../core/core.ts';
import { BackgroundJobs } from './background-jobs.ts';
import { capacityError, internalServerError, JobControl, JobFailure, StoppedError } from './job-control.ts';
import { MetricReader } from './metrics.ts';
import { removeFolder } from './s3-files.ts';
import { runAttempt } from './training-attempt.ts';
import type { TrainingDescription, TrainingJob, TrainingJobs } from './training-job.ts';

/** Runs training jobs from Starting to their end. */
export class TrainingRunner {
  readonly #core: Core;
  readonly #jobs: TrainingJobs;
  readonly #running: BackgroundJobs<TrainingJob>;

  constructor(core: Core, jobs: TrainingJobs) {
    this.#core = core;
    this.#jobs = jobs;
    this.#running = new BackgroundJobs(core, {
      label: 'Training job',
      run: (job, control) => this.#run(job, control),
      fail: (job) => jobs.move(job.arn, 'Failed', { FailureReason: internalServerError }),
    });
  }

  /** Starts a created job; it ends in the background. */
  start(job: TrainingJob): void {
    this.#running.start(job);
  }

  /** Ends a job's container with SIGTERM, then SIGKILL; what it left in `/opt/ml/model` by then is uploaded. */
  stop(arn: string): void {
    this.#running.control(arn)?.stop('requested');
  }

  /** Jobs that ran when an earlier server ended: their processes are gone, and they must not hang. */
  failLeftOver(): void {
    for (const { arn, description } of this.#jobs.collection.all()) {
      if (!['InProgress', 'Stopping'].includes(description.TrainingJobStatus)) continue;
      this.#jobs.move(arn, 'Failed', { FailureReason: internalServerError });
    }
  }

  async #run(job: TrainingJob, control: JobControl): Promise<void> {
    const { description, arn, scope } = job;
    const folder = join(this.#core.directory, 'jobs', scope.account, scope.region, 'training', job.name);
    const { MaxRuntimeInSeconds = 86_400, MaxWaitTimeInSeconds } = description.StoppingCondition ?? {};
    control.onStop(() => this.#jobs.move(arn, 'Stopping'));
    // The answer to the request goes out first.
    await new Promise((resolve) => setImmediate(resolve));
    await removeFolder(folder);
    control.stopAfter(MaxRuntimeInSeconds * 1000, 'max-runtime');
    if (MaxWaitTimeInSeconds !== undefined) control.stopAfter(MaxWaitTimeInSeconds * 1000, 'max-wait');
    try {
      await this.#runAttempts(job, control, folder);
    } finally {
      if (!this.#core.keepFolders) await removeFolder(folder);
    }
  }

  /** One attempt, and for a spot job one more after each interruption. */
  async #runAttempts(job: TrainingJob, control: JobControl, folder: string): Promise<void> {
    const { core, jobs } = { core: this.#core, jobs: this.#jobs };
    const { description, arn } = job;
    if (!core.faults.hasCapacity(description.ResourceConfig?.InstanceType ?? '')) {
      // A spot job waits for an instance, which nobody does here, until MaxWaitTimeInSeconds stops it.
      if (description.EnableManagedSpotTraining) jobs.move(arn, 'MaxWaitTimeExceeded', {});
      else jobs.move(arn, 'Failed', { FailureReason: capacityError });
      return;
    }
    const metrics = new MetricReader(description.AlgorithmSpecification?.MetricDefinitions ?? []);
    let billableSeconds = 0;
    for (let number = 1; ; number += 1) {
      const attempt = new JobControl(control);
      const forget = description.EnableManagedSpotTraining
        ? core.faults.onInterruption(arn, () => attempt.stop('interrupted'))
        : () => undefined;
      const from = epochSeconds(core.clock);
      const failure = await runAttempt({ core, jobs, job, folder, control: attempt, metrics, number })
        .then(() => undefined, jobFailure)
        .finally(forget);
      billableSeconds += epochSeconds(core.clock) - from;
      if (attempt.reason !== 'interrupted' || control.reason !== undefined) {
        this.#end(job, control, failure, {
          BillableTimeInSeconds: Math.ceil(billableSeconds),
          FinalMetricDataList: metrics.finalValues(),
        });
        return;
      }
      jobs.move(arn, 'Interrupted');
      await removeFolder(folder);
      jobs.move(arn, 'Starting');
    }
  }

  #end(
    job: TrainingJob,
    control: JobControl,
    failure: JobFailure | undefined,
    change: Partial<TrainingDescription>,
  ): void {
    if (failure) this.#jobs.move(job.arn, 'Failed', { ...change, FailureReason: failure.message });
    else if (control.reason === undefined) this.#jobs.move(job.arn, 'Completed', change);
    else if (control.reason === 'max-runtime') this.#jobs.move(job.arn, 'MaxRuntimeExceeded', change);
    else if (control.reason === 'max-wait') this.#jobs.move(job.arn, 'MaxWaitTimeExceeded', change);
    else this.#jobs.move(job.arn, 'Stopped', change);
  }
}

/** A failure of the job is its outcome; a stop is told by the control; anything else is the server's fault. */
function jobFailure(error: unknown): JobFailure | undefined {
  if (error instanceof JobFailure) return error;
  if (error instanceof StoppedError) return undefined;
  throw error;
}
