import { setTimeout as sleep } from 'node:timers/promises';
import type { Scope } from './arn.ts';
import { secretHeader } from './callers.ts';
import type { Fields } from './fields.ts';
import type { ServiceModel } from './service-model.ts';
import type { Resource } from './store.ts';

/**
 * What may go wrong with SageMaker's events on AWS, where they are delivered best effort: `duplicate` sends each twice,
 * `delay` holds each up to two seconds, `reorder` up to 0.3 s; either lets later ones overtake.
 */
export const chaosModes = ['duplicate', 'delay', 'reorder'] as const;
export type ChaosMode = (typeof chaosModes)[number];

export interface StateChange {
  readonly scope: Scope;
  /** For example `SageMaker Training Job State Change`. */
  readonly detailType: string;
  /** ARN of the resource that changed. */
  readonly resource: string;
  readonly detail: Fields;
}

/** The laptop cloud, which has the route `/_flywheel/events`. */
export interface EventCloud {
  /** Its URL. */
  readonly endpoint: string;
  readonly secret: string;
}

interface Entry {
  readonly Source: 'aws.sagemaker';
  readonly DetailType: string;
  readonly Detail: string;
  readonly Resources: readonly string[];
  /** Epoch seconds. */
  readonly Time: number;
}

const attempts = 5;
const longestDelayMs = 2000;
const reorderWithinMs = 300;

/**
 * Publishes state changes on the default bus, in the order of `publish`, without making the caller wait. As on AWS an event
 * may be lost: when the bus does not answer for about three seconds, it is logged and dropped.
 */
export class EventPublisher {
  readonly #cloud: EventCloud;
  readonly #chaos: ReadonlySet<ChaosMode>;
  readonly #log: (message: string) => void;
  #queue: Promise<void> = Promise.resolve();
  readonly #waiting = new Set<Promise<void>>();

  constructor(cloud: EventCloud, chaos: readonly ChaosMode[], log: (message: string) => void) {
    this.#cloud = cloud;
    this.#chaos = new Set(chaos);
    this.#log = log;
  }

  publish(change: StateChange): void {
    const entry: Entry = {
      Source: 'aws.sagemaker',
      DetailType: change.detailType,
      Detail: JSON.stringify(change.detail),
      Resources: [change.resource],
      Time: Date.now() / 1000,
    };
    const copies = this.#chaos.has('duplicate') ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) this.#schedule(change.scope, entry);
  }

  /** Resolves when everything published so far has been sent or dropped. */
  async flush(): Promise<void> {
    await Promise.all(this.#waiting);
    await this.#queue;
  }

  #schedule(scope: Scope, entry: Entry): void {
    const within = this.#chaos.has('delay') ? longestDelayMs : this.#chaos.has('reorder') ? reorderWithinMs : 0;
    if (within === 0) {
      this.#enqueue(scope, entry);
      return;
    }
    const waiting = sleep(Math.random() * within).then(() => {
      this.#waiting.delete(waiting);
      this.#enqueue(scope, entry);
    });
    this.#waiting.add(waiting);
  }

  #enqueue(scope: Scope, entry: Entry): void {
    this.#queue = this.#queue.then(() => this.#send(scope, entry));
  }

  async #send(scope: Scope, entry: Entry): Promise<void> {
    const body = JSON.stringify({ account: scope.account, region: scope.region, entries: [entry] });
    for (let attempt = 1; ; attempt += 1) {
      const problem = await post(this.#cloud, body);
      if (problem === undefined) return;
      if (attempt === attempts) {
        this.#log(`Event '${entry.DetailType}' of ${entry.Resources[0]} is lost: ${problem}`);
        return;
      }
      await sleep(100 * 2 ** attempt);
    }
  }
}

/** Detail of a state-change event: the Describe answer with times in epoch ms (ISO where SageMaker spells them so), and the tags as a map. */
export function eventDetail(
  model: ServiceModel,
  describeShape: string,
  resource: Resource<Fields>,
  times: 'milliseconds' | 'iso' = 'milliseconds',
): Fields {
  const spell = (seconds: number) => {
    const milliseconds = Math.round(seconds * 1000);
    return times === 'iso' ? new Date(milliseconds).toISOString() : milliseconds;
  };
  const description = model.mapTimestamps(describeShape, resource.description, spell);
  const tags = Object.fromEntries(resource.tags.map(({ Key, Value }) => [Key, Value]));
  return { ...(typeof description === 'object' ? description : {}), Tags: tags };
}

/** @returns what went wrong, or undefined */
async function post({ endpoint, secret }: EventCloud, body: string): Promise<string | undefined> {
  const url = `${endpoint}/_flywheel/events`;
  const headers = { 'content-type': 'application/json', [secretHeader]: secret };
  try {
    const answer = await fetch(url, { method: 'POST', headers, body });
    const text = await answer.text();
    return answer.ok ? undefined : `${url} answered ${answer.status}: ${text}`;
  } catch (error) {
    // The laptop cloud may be starting or stopping; the caller tries again.
    return `${url} does not answer: ${String(error)}`;
  }
}
