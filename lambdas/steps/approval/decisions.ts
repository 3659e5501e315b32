/** The decisions on a model: the gate's, and after it, where the gate asked, a person's. */
import type { LineageStore, RecordOf } from '../../stores/lineage-store.ts';

/** Keys of the decision records of a model, within its project. */
export const gateDecision = (model: number): string => `${model}`;
export const personDecision = (model: number): string => `${model}-approval`;
export const reinstatement = (model: number, demandId: string): string => `${model}-reinstated-${demandId}`;

/** The decision that a demand brought about; undefined while it has brought none. */
export async function decisionOfDemand(
  lineage: LineageStore,
  project: string,
  model: number,
  demandId: string,
): Promise<RecordOf<'decision'> | undefined> {
  const answer = await lineage.get('decision', project, personDecision(model));
  return answer?.demandId === demandId ? answer : lineage.get('decision', project, reinstatement(model, demandId));
}

/** The decision that counts: a person's over the gate's; undefined before both. */
export async function decisionOn(
  lineage: LineageStore,
  project: string,
  model: number,
): Promise<RecordOf<'decision'> | undefined> {
  return (
    (await lineage.get('decision', project, personDecision(model))) ??
    (await lineage.get('decision', project, gateDecision(model)))
  );
}

/** @throws for a model that nobody has decided on: an approved one has a decision */
export async function requireDecisionOn(
  lineage: LineageStore,
  project: string,
  model: number,
): Promise<RecordOf<'decision'>> {
  const decision = await decisionOn(lineage, project, model);
  if (!decision) throw new Error(`no decision on model ${project}/${model} in the lineage table`);
  return decision;
}
