import type { Containment } from '../container/containment.ts';
import type { LocalImages } from '../container/images.ts';
import type { Access } from './access.ts';
import type { Clock } from './clock.ts';
import type { Cloud } from './cloud.ts';
import type { EventPublisher } from './events.ts';
import type { Faults } from './faults.ts';
import type { Quotas } from './quotas.ts';
import type { ServiceModel } from './service-model.ts';
import type { Store } from './store.ts';

/** What a resource family builds on; made once per server by `main.ts`. */
export interface Core {
  readonly model: ServiceModel;
  readonly store: Store;
  readonly events: EventPublisher;
  readonly clock: Clock;
  readonly cloud: Cloud;
  readonly access: Access;
  readonly images: LocalImages;
  /** What this machine has for containers. */
  readonly containment: Containment;
  /** Of this cloud: whoever knows it may use the internal routes. */
  readonly secret: string;
  readonly faults: Faults;
  readonly quotas: Quotas;
  /** Folder that belongs to the server; container roots lie under it. */
  readonly directory: string;
  /** Whether the folders of ended jobs stay, to look into. */
  readonly keepFolders: boolean;
  /** Time between SIGTERM and SIGKILL of a stopped job, ms; SageMaker's is 120000. */
  readonly jobStopTimeoutMs: number;
  /** One line of the server's own log. */
  readonly log: (message: string) => void;
}
