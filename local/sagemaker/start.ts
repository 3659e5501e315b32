import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readOrMakeSecret } from '../cloud/secret.ts';
import { type Containment, describeContainment, findContainment } from './container/containment.ts';
import { type LocalImages, readImages } from './container/images.ts';
import { keepProcessesIn } from './container/processes.ts';
import { Access } from './core/access.ts';
import { systemClock } from './core/clock.ts';
import { Cloud } from './core/cloud.ts';
import type { Core } from './core/core.ts';
import { EventPublisher } from './core/events.ts';
import { Faults } from './core/faults.ts';
import { Quotas } from './core/quotas.ts';
import { createSageMakerServer } from './core/server.ts';
import { ServiceModel } from './core/service-model.ts';
import { Store } from './core/store.ts';
import { Hosting } from './hosting/hosting.ts';
import { processingOperations } from './jobs/processing-operations.ts';
import { trainingOperations } from './jobs/training-operations.ts';
import type { Options } from './options.ts';
import { registryOperations } from './registry/operations.ts';
import { tagOperations } from './tags/operations.ts';

export interface SageMakerLocal {
  /** For example `http://127.0.0.1:4567`. */
  readonly url: string;
  /** Ends endpoints and jobs; the jobs are Failed when a server starts again with this state. */
  readonly close: () => Promise<void>;
}

/** Starts the server on loopback; resolves when it listens. */
export async function startSageMakerLocal(options: Options, log: (message: string) => void): Promise<SageMakerLocal> {
  mkdirSync(options.state, { recursive: true });
  const ended = keepProcessesIn(join(options.state, 'processes'));
  if (ended.length > 0) log(`Ended ${ended.length} processes that an earlier server had left running.`);
  // Folders of jobs that the earlier server could not clear away; the jobs themselves fail below.
  if (!options.keepFolders) rmSync(join(options.state, 'jobs'), { recursive: true, force: true });
  const containment = await containmentOf(options);
  log(`Containers: ${describeContainment(containment)}.`);
  const core = makeCore(options, containment, log);
  const hosting = new Hosting(core, { timeScale: options.timeScale, captureFlushMs: options.captureFlushMs });
  const operations = {
    ...tagOperations(core),
    ...registryOperations(core),
    ...trainingOperations(core),
    ...processingOperations(core),
    ...hosting.operations,
  };
  const server = createSageMakerServer(core, { operations, runtime: hosting.runtime });
  // Clients hold connections longer than Node's 5 s; a connection closed under a request is an error they must retry.
  server.keepAliveTimeout = 75_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : options.port;
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.close();
      server.closeAllConnections();
      await hosting.close();
      await core.events.flush();
      core.cloud.close();
    },
  };
}

async function containmentOf({ namespaces, python }: Options): Promise<Containment> {
  if (!namespaces) return { kind: 'processes', reason: 'the server was started with --no-namespaces' };
  return findContainment(python);
}

function makeCore(options: Options, containment: Containment, log: (message: string) => void): Core {
  const noImages: LocalImages = { file: '(none: start the server with --images FILE)', entries: [] };
  const [file, ...more] = options.images;
  const { cloud: endpoint, enforceAccess } = options;
  const secret = readOrMakeSecret(options.secretFile);
  return {
    model: ServiceModel.read(options.serviceModel),
    store: new Store(join(options.state, 'resources')),
    events: new EventPublisher({ endpoint, secret }, options.chaos, log),
    clock: systemClock,
    cloud: new Cloud({ endpoint, enforceRoles: enforceAccess, secret }),
    access: new Access({ endpoint, enforce: enforceAccess, clock: systemClock, secret }),
    images: file === undefined ? noImages : readImages(file, ...more),
    containment,
    secret,
    faults: new Faults(options.noCapacity),
    quotas: new Quotas(options.quotas),
    directory: options.state,
    keepFolders: options.keepFolders,
    jobStopTimeoutMs: options.jobStopSeconds * 1000,
    log,
  };
}
