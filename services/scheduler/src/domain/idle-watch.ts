import { MINUTE_MS } from '@lastcall/kernel';

/*
 * Waiting for nobody to be logged in: what one look at the users means. Idle is what was seen to be idle: a look that did not come, or that could
 * not see, begins the waiting anew.
 */

export interface IdleWatch {
  readonly lookedAt: number;
  /** Since when nobody has been seen; absent while somebody is there or nobody knows. */
  readonly idleSince?: number;
  /** The longest time without anybody so far. */
  readonly longestMs: number;
}

export interface IdleLook {
  readonly now: number;
  /** Undefined: nobody could tell. */
  readonly sessions: number | undefined;
  readonly idleMinutes: number;
  readonly closesAt: number;
}

export type IdleVerdict =
  | { readonly verdict: 'due' }
  | { readonly verdict: 'over' }
  | { readonly verdict: 'wait'; readonly watch: IdleWatch; readonly nextAt: number };

/** Between two looks. Somebody who comes and goes between them is not seen. */
export const LOOK_EVERY_MS = 15_000;
/** Beyond it the users were out of sight. */
const MAX_GAP_MS = 3 * LOOK_EVERY_MS;

/** Whether there is anything to look for any more. */
export function isOver({ now, closesAt }: Pick<IdleLook, 'now' | 'closesAt'>): boolean {
  return now >= closesAt;
}

export function judgeIdle(before: IdleWatch | undefined, look: IdleLook): IdleVerdict {
  const { now, sessions, idleMinutes, closesAt } = look;
  if (isOver(look)) return { verdict: 'over' };
  const seen = before && now - before.lookedAt <= MAX_GAP_MS ? before.idleSince : undefined;
  const idleSince = sessions === 0 ? (seen ?? now) : undefined;
  const idleMs = idleSince === undefined ? 0 : now - idleSince;
  const neededMs = idleMinutes * MINUTE_MS;
  if (idleSince !== undefined && idleMs >= neededMs) return { verdict: 'due' };
  const longestMs = Math.max(before?.longestMs ?? 0, idleMs);
  const enough = idleSince === undefined ? Infinity : idleSince + neededMs;
  const watch = { lookedAt: now, longestMs, ...(idleSince !== undefined && { idleSince }) };
  return { verdict: 'wait', watch, nextAt: Math.min(now + LOOK_EVERY_MS, enough, closesAt) };
}
