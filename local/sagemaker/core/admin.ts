/** What SageMaker has no API for: is the server there, and faults on order. */
import * as z from 'zod';
import { describeContainment } from '../container/containment.ts';
import type { Core } from './core.ts';
import { offers } from './faults.ts';
import type { Fields } from './fields.ts';
import { quotaUsages } from './quotas.ts';

export interface AdminAnswer {
  readonly status: number;
  readonly body: Fields;
}

type Route = (core: Core, body: unknown) => AdminAnswer;

const routes: Readonly<Record<string, Route>> = {
  'GET health': ({ containment }) => ({
    status: 200,
    body: { status: 'ok', pid: process.pid, containers: describeContainment(containment) },
  }),
  'POST capacity': route(
    z.object({ instanceType: z.string(), available: z.boolean() }),
    (core, { instanceType, available }) => {
      core.faults.setCapacity(instanceType, available);
      return { status: 200, body: { noCapacity: core.faults.noCapacity } };
    },
  ),
  'POST offer': route(
    z.object({ instanceType: z.string(), offer: z.enum(offers) }),
    (core, { instanceType, offer }) => {
      core.faults.setOffer(instanceType, offer);
      return { status: 200, body: { instanceType, offer } };
    },
  ),
  'POST quota': route(
    z.object({ instanceType: z.string(), usage: z.enum(quotaUsages), limit: z.int().min(0).nullable() }),
    (core, { instanceType, usage, limit }) => {
      core.quotas.set(instanceType, usage, limit ?? undefined);
      return { status: 200, body: { quotas: core.quotas.limits } };
    },
  ),
  'POST interrupt': route(z.object({ trainingJobArn: z.string() }), (core, { trainingJobArn }) => {
    const interrupted = core.faults.interrupt(trainingJobArn);
    return { status: interrupted ? 200 : 404, body: { interrupted } };
  }),
  'POST describe-lag': route(z.object({ milliseconds: z.number().min(0) }), (core, { milliseconds }) => {
    core.store.lagMs = milliseconds;
    return { status: 200, body: { milliseconds } };
  }),
};

/** @param name method and last part of the path: `POST capacity` */
export function answerAdmin(core: Core, name: string, body: unknown): AdminAnswer {
  const answer = Object.hasOwn(routes, name) ? routes[name] : undefined;
  if (answer) return answer(core, body);
  return { status: 404, body: { Message: `No route ${name}. There are ${Object.keys(routes).join(', ')}.` } };
}

function route<T>(schema: z.ZodType<T>, answer: (core: Core, input: T) => AdminAnswer): Route {
  return (core, body) => {
    const parsed = schema.safeParse(body);
    if (!parsed.success) return { status: 400, body: { Message: z.prettifyError(parsed.error) } };
    return answer(core, parsed.data);
  };
}
