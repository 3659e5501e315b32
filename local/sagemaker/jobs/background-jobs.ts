import type { Core } from '../core/core.ts';
import { JobControl } from './job-control.ts';

/** What a kind of job does, and how one of it is failed when the platform itself is at fault. */
interface JobKind<Job> {
  /** `Training job`: how the log names one. */
  readonly label: string;
  readonly run: (job: Job, control: JobControl) => Promise<void>;
  readonly fail: (job: Job) => void;
}

/** The jobs of one kind that run: each started once, ended in the background, stopped by its ARN. */
export class BackgroundJobs<Job extends { readonly arn: string; readonly name: string }> {
  readonly #core: Core;
  readonly #kind: JobKind<Job>;
  readonly #running = new Map<string, JobControl>();

  constructor(core: Core, kind: JobKind<Job>) {
    this.#core = core;
    this.#kind = kind;
  }

  start(job: Job): void {
    const { label, run, fail } = this.#kind;
    const control = new JobControl();
    this.#running.set(job.arn, control);
    run(job, control)
      .catch((error: unknown) => {
        this.#core.log(`${label} ${job.name}: ${error instanceof Error ? error.stack : error}`);
        fail(job);
      })
      .catch((error: unknown) => this.#core.log(`${label} ${job.name} has no end: ${String(error)}`))
      .finally(() => {
        control.end();
        this.#running.delete(job.arn);
      });
  }

  /** Undefined for a job that does not run. */
  control(arn: string): JobControl | undefined {
    return this.#running.get(arn);
  }
}
