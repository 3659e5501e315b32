import * as z from 'zod';
import type { Scope } from './arn.ts';
import type { Fields } from './fields.ts';
import { serializationException } from './validator.ts';

/** One request to the control plane, authenticated. */
export interface Call extends Scope {
  /** The request's members, already checked against the service model. */
  readonly input: Fields;
  readonly principalArn: string;
  readonly requestId: string;
}

/** What the server needs to know to answer `X-Amz-Target: SageMaker.<name>`. */
export interface Operation {
  /** ARNs that the caller must be allowed to act on, or `*`. */
  readonly resources: (call: Call) => readonly string[];
  /** Roles that the request hands to SageMaker: the caller needs iam:PassRole on each. */
  readonly roles: (call: Call) => readonly string[];
  /** The members of the answer. Runs after validation and authorization; throws SageMakerError. */
  readonly handle: (call: Call) => Fields | Promise<Fields>;
}

/** Operations by name, for example `CreateTrainingJob`. */
export type Operations = Readonly<Record<string, Operation>>;

export interface OperationDefinition<I> {
  /** The members that the handler reads. The service model has checked them before; a loose object keeps the others. */
  readonly input: z.ZodType<I>;
  /** @default every resource, `*` */
  readonly resources?: (input: I, scope: Scope) => readonly string[];
  /** @default none */
  readonly roles?: (input: I) => readonly string[];
  readonly handle: (input: I, call: Call) => Fields | Promise<Fields>;
}

/** Makes an operation whose functions get the parsed input. */
export function operation<I>(definition: OperationDefinition<I>): Operation {
  const parse = (call: Call): I => {
    const parsed = definition.input.safeParse(call.input);
    if (parsed.success) return parsed.data;
    throw serializationException(z.prettifyError(parsed.error));
  };
  return {
    resources: (call) => definition.resources?.(parse(call), call) ?? ['*'],
    roles: (call) => definition.roles?.(parse(call)) ?? [],
    handle: (call) => definition.handle(parse(call), call),
  };
}
