/** What a person's decision on a model does. */
import type { DeploymentRecord, ModelRecord } from '../../contract/records.ts';

export interface ModelFacts {
  readonly model: Pick<ModelRecord, 'model' | 'status'>;
  /** Model in service. */
  readonly champion: number | undefined;
  /** Of the model; undefined when none was begun. */
  readonly deployment: DeploymentRecord['status'] | undefined;
}

export type DecisionEffect =
  /** The answer that a model waits for. */
  | { readonly effect: 'answers'; readonly refusal?: undefined }
  /** An approved model that is not in service, an earlier one or one that was rolled back, is put back. */
  | { readonly effect: 'reinstates'; readonly refusal?: undefined }
  /** Continues a sentence that begins with the model's name. */
  | { readonly effect?: undefined; readonly refusal: string };

export function effectOfDecision(decision: 'approve' | 'reject', facts: ModelFacts): DecisionEffect {
  const { model, champion, deployment } = facts;
  if (model.status === 'awaiting-approval') return { effect: 'answers' };
  if (decision === 'reject' || model.status !== 'approved')
    return { refusal: `awaits no approval: it is ${model.status}` };
  if (champion === model.model) return { refusal: 'awaits no approval: it is in service' };
  if (deployment === 'deployed' || deployment === 'rolled-back') return { effect: 'reinstates' };
  return { refusal: 'awaits no approval: it is approved, and its deployment has not ended' };
}
