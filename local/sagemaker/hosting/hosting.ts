import type { Core } from '../core/core.ts';
import type { Operations } from '../core/operation.ts';
import type { RuntimeHandler } from '../core/server.ts';
import { endpointConfigOperations } from './endpoint-config-operations.ts';
import { endpointOperations } from './endpoint-operations.ts';
import { HostedResources } from './hosted-resources.ts';
import { modelOperations } from './model-operations.ts';
import type { HostingSettings } from './platform.ts';
import { runtimeHandler } from './runtime.ts';

/** The hosting part of a server: what it hosts, the operations on it, and its runtime. */
export class Hosting {
  readonly resources: HostedResources;
  /** Operations of the control plane, by name. */
  readonly operations: Operations;
  /** Answers requests to `/endpoints/…`. */
  readonly runtime: RuntimeHandler;

  /** Loads what is stored, and starts again the endpoints that were in service. */
  constructor(core: Core, settings: HostingSettings = {}) {
    const resources = new HostedResources(core, settings);
    this.resources = resources;
    this.operations = {
      ...modelOperations(resources),
      ...endpointConfigOperations(resources),
      ...endpointOperations(resources),
    };
    this.runtime = runtimeHandler(resources);
  }

  /** Ends all processes and delivers captures and metrics; see {@link HostedResources.close}. */
  close(): Promise<void> {
    return this.resources.close();
  }
}
