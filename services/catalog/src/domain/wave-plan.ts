import { assertNever, checkId, DAY_MS, sha256Hex, type Violation } from '@lastcall/kernel';
import { isNewer } from './version.js';

/*
 * What a wave is going to do, and who is where in it. A stage is a named group of installations, or a share of all by a hash of the
 * wave and the installation: an installation is always in the first stage that fits, whatever others do.
 */

export type Stage =
  | { readonly kind: 'group'; readonly group: string }
  /** Of all installations of the wave, those of the stages before included. */
  | { readonly kind: 'percent'; readonly percent: number };

export type Threshold =
  | { readonly kind: 'count'; readonly count: number }
  /** Of the installations whose stage has begun. */
  | { readonly kind: 'percent'; readonly percent: number };

export interface WavePlan {
  readonly product: string;
  readonly version: string;
  /** Whose installations get it. */
  readonly channel: string;
  /** The last one is 100 percent. */
  readonly stages: readonly Stage[];
  readonly threshold: Threshold;
  /** From the time at which a stage has the release to the beginning of the next. */
  readonly soakMs: number;
  /** How many percent of a stage, without those that failed, must have the release before it soaks. */
  readonly neededPercent: number;
}

/** An installation that follows the channel of a wave. */
export interface Member {
  readonly installation: string;
  /** Empty for none. */
  readonly group: string;
  /** Empty when unknown. */
  readonly installedVersion: string;
}

/** How the newest run of an installation with this release ended. */
export interface Outcome {
  readonly outcome: 'updated' | 'failed' | 'rolled-back' | 'quarantined';
  readonly run: string;
  readonly fence: number;
  readonly at: number;
  /** Empty when it is updated. */
  readonly reason: string;
}

/** Fences of the runs whose failures a person has set aside, by installation: they count no more. */
export type SetAside = Readonly<Record<string, number>>;

export interface StageCount {
  readonly size: number;
  readonly updated: number;
  readonly failed: number;
  readonly setAside: number;
}

/** Who is where, counted. */
export interface Census {
  readonly stages: readonly StageCount[];
  /** Failures that count, with their fences, by installation. */
  readonly failures: SetAside;
}

const MAX_STAGES = 20;
const MAX_SOAK_MS = 30 * DAY_MS;
const MAX_COUNT = 10_000;

export function checkPlan({ stages, threshold, soakMs, neededPercent }: WavePlan): readonly Violation[] {
  const wrong: Violation[] = [...checkStages(stages)];
  const whole = (field: string, value: number, max: number): void => {
    if (Number.isInteger(value) && value >= 1 && value <= max) return;
    wrong.push({ field, description: `is ${value}; allowed are 1 to ${max}` });
  };
  if (threshold.kind === 'count') whole('wave.stop_at_count', threshold.count, MAX_COUNT);
  else whole('wave.stop_at_percent', threshold.percent, 100);
  whole('wave.needed_percent', neededPercent, 100);
  if (!Number.isInteger(soakMs) || soakMs < 0 || soakMs > MAX_SOAK_MS) {
    wrong.push({ field: 'wave.soak_time', description: `is ${soakMs / 1_000} s; allowed are 0 s to 30 days` });
  }
  return wrong;
}

function checkStages(stages: readonly Stage[]): readonly Violation[] {
  const field = 'wave.stages';
  if (stages.length === 0 || stages.length > MAX_STAGES) {
    return [{ field, description: `has ${stages.length} stages; 1 to ${MAX_STAGES} are allowed` }];
  }
  const wrong: Violation[] = [];
  const groups = new Set<string>();
  let reached = 0;
  stages.forEach((stage, i) => {
    const own = `${field}[${i}]`;
    if (stage.kind === 'group') {
      const badId = checkId(own, stage.group);
      if (badId) wrong.push(badId);
      if (groups.has(stage.group)) wrong.push({ field: own, description: `names the group ${stage.group} again` });
      groups.add(stage.group);
      return;
    }
    if (!Number.isInteger(stage.percent) || stage.percent <= reached || stage.percent > 100) {
      const description = `is ${stage.percent} percent; allowed are ${reached + 1} to 100, more in each stage`;
      wrong.push({ field: own, description });
    }
    reached = Math.max(reached, stage.percent);
  });
  const last = stages.at(-1);
  if (last?.kind !== 'percent' || last.percent !== 100) {
    wrong.push({ field, description: 'must end with a stage of 100 percent, so that everybody is in one' });
  }
  return wrong;
}

/** From 0 to below 100; stays the same for a wave and an installation. */
export function positionOf(wave: string, installation: string): number {
  const hash = sha256Hex(JSON.stringify([wave, installation]));
  return (Number.parseInt(hash.slice(0, 8), 16) / 2 ** 32) * 100;
}

/** Index of the first stage that fits. */
export function stageOf(
  wave: string,
  { stages }: WavePlan,
  { installation, group }: Pick<Member, 'installation' | 'group'>,
): number {
  const position = positionOf(wave, installation);
  const found = stages.findIndex((stage) =>
    stage.kind === 'group' ? stage.group === group : position < stage.percent,
  );
  return found < 0 ? stages.length - 1 : found;
}

export function stageText(plan: WavePlan, index: number): string {
  const stage = plan.stages[index];
  if (!stage) return `stage ${index + 1}`;
  const name = stage.kind === 'group' ? `group ${stage.group}` : `${stage.percent} %`;
  return `stage ${index + 1} of ${plan.stages.length} (${name})`;
}

export function thresholdText({ threshold }: WavePlan): string {
  switch (threshold.kind) {
    case 'count':
      return threshold.count === 1 ? '1 installation' : `${threshold.count} installations`;
    case 'percent':
      return `${threshold.percent} % of the installations whose stage has begun`;
    default:
      return assertNever(threshold);
  }
}

/** It runs the release, or a newer one. */
export function hasReached({ version }: WavePlan, installedVersion: string): boolean {
  return installedVersion !== '' && !isNewer(version, installedVersion);
}

export function isFailure(outcome: Outcome | undefined): outcome is Outcome {
  return outcome !== undefined && outcome.outcome !== 'updated';
}

const BADNESS: readonly Outcome['outcome'][] = ['updated', 'failed', 'rolled-back', 'quarantined'];

/** What counts of two outcomes of one installation, in whatever order they come: the newer run's, of one run the worse. */
export function newerOutcome(known: Outcome | undefined, heard: Outcome): Outcome {
  if (!known || heard.fence > known.fence) return heard;
  if (heard.fence < known.fence) return known;
  return BADNESS.indexOf(heard.outcome) > BADNESS.indexOf(known.outcome) ? heard : known;
}

export function census(
  wave: string,
  plan: WavePlan,
  members: readonly Member[],
  outcomes: ReadonlyMap<string, Outcome>,
  setAside: SetAside,
): Census {
  const stages = plan.stages.map(() => ({ size: 0, updated: 0, failed: 0, setAside: 0 }));
  for (const member of members) {
    const count = stages[stageOf(wave, plan, member)];
    if (!count) continue;
    const outcome = outcomes.get(member.installation);
    count.size++;
    if (isFailure(outcome)) {
      if (isSetAside(setAside, member.installation, outcome)) count.setAside++;
      else count.failed++;
    } else if (outcome || hasReached(plan, member.installedVersion)) count.updated++;
  }
  const failures = [...outcomes].filter(
    ([installation, outcome]) => isFailure(outcome) && !isSetAside(setAside, installation, outcome),
  );
  return { stages, failures: Object.fromEntries(failures.map(([id, { fence }]) => [id, fence])) };
}

export function isSetAside(setAside: SetAside, installation: string, { fence }: Outcome): boolean {
  return fence <= (setAside[installation] ?? -1);
}
