import { rounded } from '@lastcall/bench';
import { sharedNow } from '../clock.js';
import { tellAll, type Crowd } from './crowd.js';
import type { LastcallTarget } from './lastcall-target.js';

/* The logoff: everybody is told, has the whole reaction time, and is out at the deadline. */

export interface Logoff {
  /** The deadline, by CLOCK_MONOTONIC: where to look in a CPU profile of the server. */
  readonly clockMs: number;
  /** After the deadline; never below zero. */
  readonly firstEndedMs: number;
  readonly p50EndedMs: number;
  readonly lastEndedMs: number;
  readonly sentinelsEndedMs: { readonly first: number; readonly last: number };
  /** Until zero sessions were proven against the store and the gate was shut. */
  readonly zeroProvenMs: number;
}

/** Servers know whole milliseconds, cut or rounded. */
const CLOCK_MS = 1;

export async function measureLogoff(crowd: Crowd, target: LastcallTarget): Promise<Logoff> {
  const { bench, shape, swarm, sentinels, violations } = crowd;
  const { round } = await tellAll(crowd, 'n-last', true);
  const deadline = round.notice?.deadline ?? 0;
  const closed = target.closed();
  const ends = await swarm.ask('ends', null);
  const after = (at: number, offset: number): number => at + offset - deadline;
  const sentinelEnds = await sentinels?.ask('ends', null);
  await closed;
  const zeroProvenMs = after(sharedNow(), ends.timeOfDayOffset);
  const first = after(ends.first, ends.timeOfDayOffset);
  const sentinelsEndedMs = {
    first: sentinelEnds ? after(sentinelEnds.first, sentinelEnds.timeOfDayOffset) : 0,
    last: sentinelEnds ? after(sentinelEnds.last, sentinelEnds.timeOfDayOffset) : 0,
  };
  violations.expect(ends.count === shape.clients && ends.repeats === 0, `each session is ended once (${ends.count})`);
  violations.expect(first >= -CLOCK_MS, `nobody is ended before the deadline (${rounded(first)} ms)`);
  violations.expect(sentinelsEndedMs.first >= -CLOCK_MS, 'no sentinel is ended before the deadline');
  violations.expect(
    ends.reasons['DEADLINE'] === shape.clients,
    `all end by the deadline: ${JSON.stringify(ends.reasons)}`,
  );
  const left = await target.count();
  violations.expect(left === 0, `nobody is left (${left})`);
  const logoff = {
    clockMs: deadline - ends.timeOfDayOffset,
    firstEndedMs: first,
    p50EndedMs: after(ends.p50, ends.timeOfDayOffset),
    lastEndedMs: after(ends.last, ends.timeOfDayOffset),
    sentinelsEndedMs,
    zeroProvenMs,
  };
  bench.say(
    `logged off: the first ${rounded(first)} ms, the last ${rounded(logoff.lastEndedMs)} ms after the deadline, ` +
      `zero proven after ${rounded(zeroProvenMs)} ms`,
  );
  return logoff;
}
