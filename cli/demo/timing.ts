/** Where the time of one loop goes: from the first upload to its model in service, step by step. */
import type { JournalEntry } from '../journal.ts';

/** One stay of a program in a container, in milliseconds since 1970. */
export interface ContainerTime {
  readonly kind: 'training' | 'evaluation' | 'serving';
  readonly job: string;
  readonly model: number;
  readonly from: number;
  readonly to: number;
}

export interface Step {
  readonly step: string;
  readonly ms: number;
  /** Spent inside the program of a container; everything else is overhead. */
  readonly inContainer: boolean;
}

/**
 *     upload ─▶ registered ─▶ requested ─▶ started ─▶ [training] ─▶ trained ─▶ started ─▶ [evaluation] ─▶ evaluated ─▶ approved ─▶ [model server starts] ─▶ deployed
 *
 * Each step ends with an event's record, or with the start or end of a program. The steps follow each other without a
 * gap, so their sum is the time of the loop.
 * @param model the loop's model version; its events are the first of their kind for it
 * @throws Error that names the event or program that is missing
 */
export function loopSteps(
  firstUploadAt: number,
  events: readonly JournalEntry[],
  containers: readonly ContainerTime[],
  model: number,
): Step[] {
  const at = (type: string, ofModel = false) => {
    const entry = events.find((each) => each.type === type && (!ofModel || each.detail.model === model));
    if (!entry) throw new Error(`no event ${type}${ofModel ? ` of model ${model}` : ''}`);
    return Date.parse(entry.at);
  };
  const program = (kind: ContainerTime['kind']) => {
    const found = containers.find((each) => each.kind === kind && each.model === model);
    if (!found) throw new Error(`no ${kind} program of model ${model}`);
    return found;
  };
  const [training, evaluation, serving] = [program('training'), program('evaluation'), program('serving')];
  const ends: readonly [step: string, end: number, inContainer?: boolean][] = [
    ['upload, check, register a version', at('DatasetVersionRegistered')],
    ['decide to train', at('TrainingRequested')],
    ['start the training job', at('TrainingStarted')],
    ['prepare its container', training.from],
    ['training', training.to, true],
    ['record the model', at('ModelTrained', true)],
    ['start the evaluation job', at('EvaluationStarted', true)],
    ['prepare its container', evaluation.from],
    ['evaluation', evaluation.to, true],
    ['record the evaluation', at('ModelEvaluated', true)],
    ['decide to approve', at('ModelApproved', true)],
    ['start the deployment', serving.from],
    ['the model server starts', serving.to, true],
    ['record the deployment', at('ModelDeployed', true)],
  ];
  let before = firstUploadAt;
  return ends.map(([step, end, inContainer = false]) => {
    const ms = end - before;
    before = end;
    return { step, ms, inContainer };
  });
}

export function sumOf(steps: readonly Step[], which: (step: Step) => boolean = () => true): number {
  return steps.filter(which).reduce((sum, { ms }) => sum + ms, 0);
}
