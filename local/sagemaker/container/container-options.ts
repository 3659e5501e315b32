/** What a container is started with. */
import type { Containment } from './containment.ts';

export interface ContainerOptions {
  /** Program and arguments; `/opt/ml` in them means `root`. */
  readonly argv: readonly string[];
  /** Working folder of the program. @default root */
  readonly cwd?: string;
  /**
   * Everything the program sees, apart from PATH, HOME, LANG and, where it has no `/opt/ml` of its own, SAGEMAKER_BASE_DIR;
   * it may override them.
   */
  readonly environment: Readonly<Record<string, string>>;
  /** Folder that stands in for `/opt/ml`, or is mounted there. */
  readonly root: string;
  /** What this machine has for containers. @default plain processes */
  readonly containment?: Containment;
  /** Whether the program has the network of this machine; plain processes always have it. @default true */
  readonly network?: boolean;
  /** Port on 127.0.0.1 that the program serves and this machine reaches, even where the program has no network. @default none */
  readonly servedPort?: number;
  /** Folder under the root that the program may not write to; plain processes have the modes of its files. @default none */
  readonly readOnly?: string;
  /** Called for every line of output, in order per stream, without its line end. */
  readonly onLine: (line: string, stream: 'stdout' | 'stderr') => void;
  /** Called as soon as the process runs. */
  readonly onStart?: (pid: number) => void;
  /** Stops the container: SIGTERM to its process group, then SIGKILL. */
  readonly signal?: AbortSignal;
  /** Time between SIGTERM and SIGKILL, in ms. @default 120000, SageMaker's for jobs (30000 for endpoints) */
  readonly stopTimeoutMs?: number;
}
