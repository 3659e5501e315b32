/** ModelEvaluated, ApprovalGiven → a decision with its reasons. Nothing reaches an endpoint without one. */
import {
  ApprovalGiven,
  ApprovalRequested,
  ModelApproved,
  ModelEvaluated,
  ModelRejected,
  ModelTrained,
} from '../contract/events.ts';
import { nodeId } from '../contract/keys.ts';
import { metrics } from '../contract/metrics.ts';
import type { ModelRecord } from '../contract/records.ts';
import type { ProjectSettings } from '../contract/settings.ts';
import { ConcurrentChange } from '../domain/errors.ts';
import { judgeCandidate as judge } from '../domain/gate/judge.ts';
import { effectOfDecision } from '../domain/gate/person.ts';
import { type Context, eventHandler, type ParsedEvent } from '../runtime/event-handler.ts';
import { projectNamed } from '../runtime/settings.ts';
import {
  decisionOfDemand,
  decisionOn,
  gateDecision,
  personDecision,
  reinstatement,
} from '../steps/approval/decisions.ts';
import { recordedDemand } from '../steps/operations/demands.ts';
import { type EventPublisher, eventPublisher } from '../stores/event-publisher.ts';
import { type LineageStore, lineageStore, type RecordOf } from '../stores/lineage-store.ts';
import type { Write } from '../stores/lineage-writes.ts';

type Events = ParsedEvent<typeof ModelEvaluated | typeof ApprovalGiven>;
type Decision = RecordOf<'decision'>;
interface Services {
  readonly lineage: LineageStore;
  readonly events: EventPublisher;
}

/** Who decides when no person does. */
const GATE = 'gate';

export const handler = eventHandler({
  name: 'judge-candidate',
  consumes: [ModelEvaluated, ApprovalGiven],
  services: (environment): Services => ({
    lineage: lineageStore(environment.TABLE_NAME),
    events: eventPublisher(environment.EVENT_BUS_NAME),
  }),
  handle: judgeCandidate,
});

export async function judgeCandidate(event: Events, context: Context<Services>): Promise<void> {
  const project = projectNamed(context.settings, event.detail.project);
  const model = await context.services.lineage.require('model', project.name, event.detail.model);
  if (event.type === 'ApprovalGiven') {
    const answer = await recordedDemand(ApprovalGiven, event.detail, context.services.lineage);
    if (answer?.model !== model.model)
      return context.log.warn('nobody made this decision', { model: model.model, demandId: event.detail.demandId });
    return approve(project, model, answer, context);
  }
  if (model.status !== 'evaluated') return announceAgain(project, model, context.services);
  // A newer evaluation of the same model is under judgement; this event is of an older one.
  if (model.evaluationJob !== event.detail.jobName) return;
  await decide(project, model, event.detail.jobName, context);
}

async function decide(project: ProjectSettings, model: ModelRecord, jobName: string, context: Context<Services>) {
  const { lineage, events } = context.services;
  const { evaluation, champion } = await lineage.require('evaluation', project.name, jobName);
  if (!evaluation) throw new Error(`evaluation ${jobName} is told of, but has no result`);
  const { champion: inService } = await lineage.state(project.name);
  // The champion changed while the candidate was evaluated: the comparison is with the wrong model, so it is made anew.
  if ((inService ?? null) !== champion) return events.publish(ModelTrained, { ...model, project: project.name });

  const judged = judge({ evaluation, settings: project.gate, candidate: model.model, champion });
  const decision: Decision = {
    model: model.model,
    decision: judged.decision,
    decidedBy: GATE,
    reasons: judged.reasons.map((reason) => reason.text),
    at: context.now().toISOString(),
  };
  const evaluated = ['evaluation', project.name, jobName] as const;
  await record(project, decision, gateDecision(model.model), 'evaluated', [...evaluated], context);
  await announce(project, decision, events);
}

async function approve(
  project: ProjectSettings,
  model: ModelRecord,
  answer: ParsedEvent<typeof ApprovalGiven>['detail'],
  context: Context<Services>,
) {
  const { services, log } = context;
  const { lineage } = services;
  // A repeated event: its decision stands, and only the announcement may have been lost.
  const given = await decisionOfDemand(lineage, project.name, model.model, answer.demandId);
  if (given) return announce(project, given, services.events);
  const { champion } = await lineage.state(project.name);
  const deployment = await lineage.get('deployment', project.name, model.model);
  const { effect, refusal } = effectOfDecision(answer.decision, { model, champion, deployment: deployment?.status });
  // decide-model has asked the same question; somebody else has decided since.
  if (refusal !== undefined) return log.warn('a decision came too late', { model: model.model, refusal });
  const { decidedBy, demandId, at } = answer;
  const reasons = [answer.reason];
  const decision: Decision = { model: model.model, decision: answer.decision, decidedBy, reasons, demandId, at };
  if (effect === 'reinstates') return reinstate(project, decision, reinstatement(model.model, demandId), context);
  // A person's answer follows the gate's question.
  const question = ['decision', project.name, gateDecision(model.model)] as const;
  await record(project, decision, personDecision(model.model), 'awaiting-approval', [...question], context);
  await announce(project, decision, services.events);
}

/** A person wants an earlier model back in service, or one that was rolled back tried again. */
async function reinstate(project: ProjectSettings, decision: Decision, local: string, { services }: Context<Services>) {
  const { lineage, events } = services;
  const { at, model } = decision;
  const state = await lineage.state(project.name);
  const id = nodeId.build('decision', project.name, local);
  const deployment = nodeId.build('deployment', project.name, model);
  const outcome = await lineage.write([
    ...recordOfDecision(project.name, decision, local),
    {
      kind: 'update',
      id: deployment,
      set: { status: 'requested', replaces: state.champion ?? null, at },
      unset: ['startedAt', 'endedAt', 'failure'],
      expect: { status: ['deployed', 'rolled-back'] },
    },
    { kind: 'edge', from: deployment, relation: 'wasInformedBy', to: id, at },
    { kind: 'state', project: project.name, read: state, set: { wanted: model } },
  ]);
  if (!outcome.written) throw new ConcurrentChange(id);
  await announce(project, decision, events);
}

/** The record of a decision: what it is on, and who took it. */
function recordOfDecision(project: string, decision: Decision, local: string): Write[] {
  const { model, decidedBy, at } = decision;
  const id = nodeId.build('decision', project, local);
  const agent = nodeId.build('agent', project, decidedBy);
  return [
    { kind: 'create', type: 'decision', project, local, record: decision },
    { kind: 'edge', from: id, relation: 'used', to: nodeId.build('model', project, model), at },
    { kind: 'mention', id: agent, at },
    { kind: 'edge', from: id, relation: 'wasAssociatedWith', to: agent, at },
  ];
}

const statusAfter = { approve: 'approved', reject: 'rejected', ask: 'awaiting-approval' } as const;

async function record(
  project: ProjectSettings,
  decision: Decision,
  local: string,
  expected: ModelRecord['status'],
  informedBy: Parameters<typeof nodeId.build>,
  { services, metrics: recorder }: Context<Services>,
) {
  const id = nodeId.build('decision', project.name, local);
  const modelId = nodeId.build('model', project.name, decision.model);
  const outcome = await services.lineage.write([
    ...recordOfDecision(project.name, decision, local),
    { kind: 'edge', from: id, relation: 'wasInformedBy', to: nodeId.build(...informedBy), at: decision.at },
    { kind: 'update', id: modelId, set: { status: statusAfter[decision.decision] }, expect: { status: [expected] } },
  ]);
  if (!outcome.written) throw new ConcurrentChange(id);
  if (decision.decision !== 'ask')
    recorder.record(project.name, metrics.candidateRejected, decision.decision === 'reject' ? 1 : 0);
}

async function announceAgain(project: ProjectSettings, model: ModelRecord, { lineage, events }: Services) {
  const decision = await decisionOn(lineage, project.name, model.model);
  if (decision) await announce(project, decision, events);
}

async function announce(project: ProjectSettings, decision: Decision, events: EventPublisher): Promise<void> {
  const detail = { ...decision, project: project.name };
  switch (decision.decision) {
    case 'approve':
      return events.publish(ModelApproved, detail);
    case 'reject':
      return events.publish(ModelRejected, detail);
    case 'ask':
      return events.publish(ApprovalRequested, detail);
  }
}
