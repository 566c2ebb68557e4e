import { pagesOf } from '@lastcall/store';
import { lengthFrom } from './advice/length.js';
import { BY_INSTALLATION, type Documents, type RunDocument } from './documents.js';
import { phaseDurations, type Phase } from './domain/phases.js';

/*
 * How long a run is expected to take: the median of the installation's earlier runs of the same type that succeeded.
 */

export interface Estimate {
  /** Number of runs that it is from; 0: there are none, and nothing is estimated. */
  readonly runs: number;
  readonly totalMs: number | undefined;
  readonly phaseMs: ReadonlyMap<Phase, number>;
}

/** The newest tell more than the old ones: the product grows, the machines change. */
const RUNS_AT_MOST = 20;
/** Runs that are looked at; behind as many that did not succeed there is nothing to learn. */
const LOOK_AT_MOST = 200;
const PAGE = 50;

/** From the runs that were created before this one. */
export async function estimateFor({ runs }: Pick<Documents, 'runs'>, document: RunDocument): Promise<Estimate> {
  const { installation, createdAt } = document;
  const earlier: RunDocument[] = [];
  let looked = 0;
  const range = { field: 'created_at', below: createdAt };
  const query = { index: BY_INSTALLATION, where: { installation }, range, order: 'descending', limit: PAGE } as const;
  for await (const page of pagesOf(runs, query)) {
    earlier.push(...page.map(({ data }) => data).filter((data) => isLike(data, document)));
    looked += page.length;
    if (earlier.length >= RUNS_AT_MOST || looked >= LOOK_AT_MOST) break;
  }
  return estimateFrom(earlier.slice(0, RUNS_AT_MOST));
}

function isLike({ state }: RunDocument, { state: wanted }: RunDocument): boolean {
  if (state.phase !== 'ended' || wanted.phase === 'none') return false;
  return state.ending.outcome === 'succeeded' && state.spec.type === wanted.spec.type;
}

export function estimateFrom(documents: readonly Pick<RunDocument, 'state'>[]): Estimate {
  const totals: number[] = [];
  const phases = new Map<Phase, number[]>();
  for (const { state } of documents) {
    if (state.phase !== 'ended') continue;
    totals.push(Math.max(0, state.finishedAt - state.spec.startedAt));
    for (const { phase, ms } of phaseDurations(state.findings.phaseBegan ?? {}, state.finishedAt)) {
      phases.set(phase, [...(phases.get(phase) ?? []), ms]);
    }
  }
  const phaseMs = new Map([...phases].map(([phase, all]) => [phase, median(all) ?? 0]));
  return { runs: totals.length, totalMs: median(totals), phaseMs };
}

/** The same median as the advice gives before a run; undefined of nothing. */
function median(measuredMs: readonly number[]): number | undefined {
  return measuredMs.length === 0 ? undefined : lengthFrom(measuredMs).medianMs;
}
