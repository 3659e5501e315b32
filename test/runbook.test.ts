/** docs/runbook.md has a section for every kind of alarm, and no other. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { alarmKinds } from '../lib/constructs/alarms.ts';
import { installation, ofType, type SynthesizedStack, synthesize } from './synthesis.ts';

const text = readFileSync(new URL('../docs/runbook.md', import.meta.url), 'utf8');
const sections = new Map(
  text
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')).trim(), section] as const),
);

describe('the runbook', () => {
  it('has a section for every kind of alarm, and no other', () => {
    expect([...sections.keys()].sort()).toEqual(Object.keys(alarmKinds).sort());
  });

  it.each([...sections])('says what %s is, how to look into it, and what to do', (_name, section) => {
    const headings = [...section.matchAll(/^### (.+)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(['Description', 'Investigation', 'Resolution']);
    for (const part of section.split(/^### .+$/m).slice(1)) expect(part.trim().length).toBeGreaterThan(40);
  });
});

describe('every alarm', () => {
  const alarm = z.object({
    AlarmDescription: z.string(),
    AlarmActions: z.array(z.unknown()).length(1),
    TreatMissingData: z.literal('notBreaching'),
    Threshold: z.number(),
  });
  let stacks: readonly SynthesizedStack[];
  beforeAll(async () => {
    ({ stacks } = await synthesize(installation('flights', 'loans')));
  });

  it('leads to its section, tells somebody, and decides about missing data', () => {
    const kinds = new Set<string>();
    for (const [id, { Properties }] of ofType(stacks, 'AWS::CloudWatch::Alarm')) {
      const { AlarmDescription } = alarm.parse(Properties);
      const [, kind = ''] = /Runbook: docs\/runbook\.md#([a-z-]+)$/.exec(AlarmDescription) ?? [];
      expect(sections.has(kind), id).toBe(true);
      kinds.add(kind);
    }
    expect([...kinds].sort()).toEqual(Object.keys(alarmKinds).sort());
  });

  it('of a project exists for each project', () => {
    const descriptions = ofType(stacks, 'AWS::CloudWatch::Alarm').map(
      ([, { Properties }]) => alarm.parse(Properties).AlarmDescription,
    );
    for (const kind of [
      'dataset-rejected',
      'training-failed',
      'candidate-rejected',
      'deployment-rolled-back',
      'drift-detected',
      'endpoint-errors',
    ])
      for (const project of ['flights', 'loans'])
        expect(descriptions.filter((each) => each.includes(project) && each.endsWith(`#${kind}`))).toHaveLength(1);
  });
});
