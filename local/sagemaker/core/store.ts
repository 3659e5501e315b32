import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { type Scope, sagemakerArn } from './arn.ts';
import type { Fields } from './fields.ts';

export interface Tag {
  readonly Key: string;
  readonly Value: string;
}

/** One SageMaker resource: what Describe answers, and its tags. */
export interface Resource<D extends Fields> {
  readonly arn: string;
  /** Unique in its collection, compared without case. */
  readonly name: string;
  readonly scope: Scope;
  readonly tags: readonly Tag[];
  /** Members of the Describe answer; times in epoch seconds. */
  readonly description: D;
}

const storedResource = z.object({
  arn: z.string(),
  name: z.string(),
  scope: z.object({ account: z.string(), region: z.string() }),
  tags: z.array(z.object({ Key: z.string(), Value: z.string() })),
  description: z.record(z.string(), z.unknown()),
});

/**
 * All resources of the server, in memory, each written through to a JSON file of its own before a change is answered:
 * `<folder>/<account>/<region>/<kind>/<name>.json`, replaced by rename, so that a crash leaves the old or the new one.
 */
export class Store {
  /**
   * Describe operations answer the state of this many ms ago: AWS does not promise that one sees a change at once.
   * 0 by default; a test sets it while the server runs.
   */
  lagMs = 0;
  readonly #folder: string;
  readonly #collections = new Map<string, Collection<Fields>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * The resources of one kind, loaded from disk.
   * @param kind first part of the resource's ARN, for example `training-job`
   * @param schema of the description; use `z.looseObject` to keep members that the code does not read
   */
  collection<D extends Fields>(kind: string, schema: z.ZodType<D>): Collection<D> {
    if (this.#collections.has(kind)) throw new Error(`The collection '${kind}' exists already`);
    const collection = new Collection(this.#folder, kind, schema, () => this.lagMs);
    this.#collections.set(kind, collection);
    return collection;
  }

  /** Resource of any kind by its ARN, without case. */
  byArn(arn: string): Resource<Fields> | undefined {
    for (const collection of this.#collections.values()) {
      const found = collection.byArn(arn);
      if (found) return found;
    }
    return undefined;
  }

  /** Replaces the tags of a resource of any kind. */
  setTags(arn: string, tags: readonly Tag[]): void {
    for (const collection of this.#collections.values()) collection.setTags(arn, tags);
  }
}

export class Collection<D extends Fields> {
  readonly kind: string;
  readonly #folder: string;
  readonly #lagMs: () => number;
  readonly #byArn = new Map<string, Resource<D>>();
  /** Earlier states that a lagging Describe still answers, oldest first, with the time at which each was replaced. */
  readonly #earlier = new Map<string, { readonly state: Resource<D>; readonly replacedAt: number }[]>();

  constructor(folder: string, kind: string, schema: z.ZodType<D>, lagMs: () => number) {
    this.kind = kind;
    this.#folder = folder;
    this.#lagMs = lagMs;
    for (const path of jsonFiles(folder, kind)) {
      const stored = storedResource.safeParse(JSON.parse(readFileSync(path, 'utf8')));
      if (!stored.success) throw new Error(`${path} is not a stored resource:\n${z.prettifyError(stored.error)}`);
      const description = schema.safeParse(stored.data.description);
      if (!description.success) throw new Error(`${path} is not a ${kind}:\n${z.prettifyError(description.error)}`);
      this.#byArn.set(stored.data.arn.toLowerCase(), { ...stored.data, description: description.data });
    }
  }

  /** ARN that a resource of this kind has, or would have. */
  arn(scope: Scope, name: string): string {
    return sagemakerArn(scope, `${this.kind}/${name}`);
  }

  get(scope: Scope, name: string): Resource<D> | undefined {
    return this.#byArn.get(this.arn(scope, name));
  }

  byArn(arn: string): Resource<D> | undefined {
    return this.#byArn.get(arn.toLowerCase());
  }

  /** A resource as a Describe operation sees it, which lags by `Store.lagMs`; a new one is seen as it was made. */
  described(resource: Resource<D>): Resource<D> {
    const since = performance.now() - this.#lagMs();
    const earlier = this.#earlier.get(resource.arn)?.find(({ replacedAt }) => replacedAt > since);
    return earlier?.state ?? resource;
  }

  /** All resources of one account and region, in the order of their creation. */
  list(scope: Scope): Resource<D>[] {
    return this.all().filter((one) => one.scope.account === scope.account && one.scope.region === scope.region);
  }

  /** Resources of every account and region. */
  all(): Resource<D>[] {
    return [...this.#byArn.values()];
  }

  create(scope: Scope, name: string, description: D, tags: readonly Tag[] = []): Resource<D> {
    return this.#put({ arn: this.arn(scope, name), name, scope, tags, description });
  }

  /** Changes members of a description; a member given as undefined is removed. */
  update(resource: Resource<D>, change: Partial<D>): Resource<D> {
    const present = this.#byArn.get(resource.arn);
    if (!present) throw new Error(`${resource.arn} was deleted while it was being changed`);
    return this.#put({ ...present, description: { ...present.description, ...change } });
  }

  setTags(arn: string, tags: readonly Tag[]): void {
    const present = this.byArn(arn);
    if (present) this.#put({ ...present, tags });
  }

  delete(resource: Resource<D>): void {
    this.#byArn.delete(resource.arn);
    this.#earlier.delete(resource.arn);
    rmSync(this.#path(resource), { force: true });
  }

  #put(resource: Resource<D>): Resource<D> {
    const path = this.#path(resource);
    mkdirSync(dirname(path), { recursive: true });
    const temporary = `${path}.new`;
    writeFileSync(temporary, JSON.stringify(resource));
    renameSync(temporary, path);
    this.#keepEarlier(resource.arn);
    this.#byArn.set(resource.arn, resource);
    return resource;
  }

  #keepEarlier(arn: string): void {
    const replaced = this.#byArn.get(arn);
    const now = performance.now();
    const kept = (this.#earlier.get(arn) ?? []).filter(({ replacedAt }) => replacedAt > now - this.#lagMs());
    if (replaced && this.#lagMs() > 0) kept.push({ state: replaced, replacedAt: now });
    if (kept.length > 0) this.#earlier.set(arn, kept);
    else this.#earlier.delete(arn);
  }

  #path({ scope, name }: Resource<D>): string {
    const file = `${encodeURIComponent(name.toLowerCase())}.json`;
    return join(this.#folder, scope.account, scope.region, this.kind, file);
  }
}

function jsonFiles(folder: string, kind: string): string[] {
  mkdirSync(folder, { recursive: true });
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.json') && entry.parentPath.endsWith(`/${kind}`))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
