import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import * as z from 'zod';
import { isFields } from './fields.ts';

const member = z.object({ shape: z.string() });

const shapeSchema = z.object({
  type: z.string(),
  members: z.record(z.string(), member).optional(),
  required: z.array(z.string()).optional(),
  union: z.boolean().optional(),
  member: member.optional(),
  key: member.optional(),
  value: member.optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  pattern: z.string().optional(),
  enum: z.array(z.string()).optional(),
});

export type Shape = z.infer<typeof shapeSchema>;

const operationSchema = z.object({ input: member.optional(), output: member.optional() });

/** SageMaker's API as botocore describes it: operations, and the shapes of their members. A shape is parsed when it is first asked for. */
export class ServiceModel {
  readonly #operations: Readonly<Record<string, unknown>>;
  readonly #shapes: Readonly<Record<string, unknown>>;
  readonly #parsed = new Map<string, Shape>();
  /** Where the model is from, for people: `botocore 1.43.106`, or a path. */
  readonly source: string;

  constructor(content: unknown, source: string) {
    this.source = source;
    const parts = z.object({
      operations: z.record(z.string(), z.unknown()),
      shapes: z.record(z.string(), z.unknown()),
    });
    const { operations, shapes } = parts.parse(content);
    this.#operations = operations;
    this.#shapes = shapes;
  }

  /** @param path of botocore's `service-2.json.gz`, about 40 ms to read */
  static read(path: string): ServiceModel {
    return new ServiceModel(JSON.parse(gunzipSync(readFileSync(path)).toString()), sourceOf(path));
  }

  hasOperation(name: string): boolean {
    return Object.hasOwn(this.#operations, name);
  }

  /** Name of the shape of an operation's input; undefined when it has none. */
  inputOf(name: string): string | undefined {
    return operationSchema.parse(this.#operations[name]).input?.shape;
  }

  shape(name: string): Shape {
    const known = this.#parsed.get(name);
    if (known) return known;
    const parsed = shapeSchema.parse(this.#shapes[name]);
    this.#parsed.set(name, parsed);
    return parsed;
  }

  /** A copy of a value with every timestamp in it (epoch seconds) replaced, for example by the spelling of events. */
  mapTimestamps(shapeName: string, value: unknown, spell: (epochSeconds: number) => unknown): unknown {
    const shape = this.shape(shapeName);
    if (shape.type === 'timestamp') return typeof value === 'number' ? spell(value) : value;
    if (Array.isArray(value)) {
      const item = shape.member?.shape;
      return item === undefined ? value : value.map((one) => this.mapTimestamps(item, one, spell));
    }
    if (!isFields(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, one]) => {
        const inner = shape.members?.[key]?.shape ?? shape.value?.shape;
        return [key, inner === undefined ? one : this.mapTimestamps(inner, one, spell)];
      }),
    );
  }
}

/** botocore says its version in the folder beside it: `botocore-1.43.106.dist-info`. */
function sourceOf(path: string): string {
  const packages = resolve(dirname(path), '../../../..');
  const folder = existsSync(packages)
    ? readdirSync(packages).find((name) => /^botocore-.*\.dist-info$/.test(name))
    : undefined;
  return folder === undefined ? path : folder.replace('.dist-info', '').replace('-', ' ');
}
