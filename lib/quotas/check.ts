/** Quotas of AWS that an environment would exceed: told at synth, where its projects can still be changed. */
import type { Problem } from '../config/problems.ts';
import { type Measurement, type QuotaName, quotas } from './measure.ts';

export interface Usage {
  readonly environment: string;
  readonly projects: number;
  readonly measured: readonly Measurement[];
  /** The same environment without projects: what is left, divided by projects, is what each of them needs. */
  readonly measuredWithoutProjects: () => readonly Measurement[];
}

/** @returns a problem for each quota that is exceeded, where it is exceeded most, and before them what to do; or none */
export function quotaProblems({ environment, projects, measured, measuredWithoutProjects }: Usage): Problem[] {
  const exceeded = measured.filter(({ quota, value }) => value > quotas[quota].limit);
  if (exceeded.length === 0) return [];
  const base = projects === 0 ? [] : measuredWithoutProjects();
  const at = `environments/${environment}`;
  const fitting = exceeded.map((each) => projectsThatFit(each, sameOf(base, each), projects));
  return [
    { at, path: 'projects', message: advice(projects, Math.min(...fitting)) },
    ...[...new Set(exceeded.map(({ quota }) => quota))].map((quota) => {
      const { at: path, value } = mostOf(exceeded, quota);
      const { counts, limit } = quotas[quota];
      return { at, path, message: `got ${grouped(value)} ${counts}, expected at most ${grouped(limit)}` };
    }),
  ];
}

function advice(projects: number, fit: number): string {
  if (fit < 1) return `got ${projects}, of which not one fits: a mistake in lib/, not in the configuration`;
  return `got ${projects}, expected at most about ${fit} with names and settings like these: put the others into a second configuration, with environments of other names, and name its file in FLYWHEEL_CONFIG`;
}

const mostOf = (all: readonly Measurement[], quota: QuotaName): Measurement =>
  all.filter((each) => each.quota === quota).reduce((most, each) => (each.value > most.value ? each : most));

const sameOf = (all: readonly Measurement[], { quota, at }: Measurement): number =>
  all.find((each) => each.quota === quota && each.at === at)?.value ?? 0;

/** What each project needs is taken to be the same. */
function projectsThatFit({ quota, value }: Measurement, base: number, projects: number): number {
  return value > base ? Math.floor(((quotas[quota].limit - base) * projects) / (value - base)) : 0;
}

/** 12624 → 12,624. */
const grouped = (value: number): string => value.toLocaleString('en-US');
