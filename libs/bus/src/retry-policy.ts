import { Poison } from '@lastcall/contracts';
import { Fault } from '@lastcall/kernel';
import { MAX_DELIVERIES } from './port.js';
import type { BusTuning } from './tuning.js';

/*
 * What becomes of an event whose handler threw, or whose dead letter could not be kept. Pure; the dispatcher holds the
 * timers.
 *
 *   handler throws Poison ────────────────────────────────► bury
 *   handler throws Fault, within the patience ─► again, not counted
 *   handler throws anything, fewer than 5 ─────► again, counted
 *   handler throws anything, the 5th ─────────────────────► bury
 *   dead letter throws ─► again: the handler first, since what kept both from working may be over; a Poison only the
 *                         dead letter
 */

/** What an event has been through in this process. */
export interface Ordeal {
  /** Deliveries that count. */
  readonly deliveries: number;
  readonly faults: number;
  readonly firstFaultAt: number | undefined;
  readonly failedBurials: number;
  /** Set once the handler need not be asked again. */
  readonly poison: string | undefined;
}

export const UNTRIED: Ordeal = {
  deliveries: 0,
  faults: 0,
  firstFaultAt: undefined,
  failedBurials: 0,
  poison: undefined,
};

/** Another delivery, after a while. */
export interface Again {
  readonly kind: 'again';
  readonly afterMs: number;
  readonly ordeal: Ordeal;
}

/** To the dead letters. */
export interface Bury {
  readonly kind: 'bury';
  readonly reason: string;
  readonly ordeal: Ordeal;
}

type Policy = Pick<BusTuning, 'retryDelaysMs' | 'faultPatienceMs' | 'maxDelayMs'>;

const FIRST_DELAY_MS = 50;

function growing(times: number, maxDelayMs: number): number {
  return Math.min(maxDelayMs, FIRST_DELAY_MS * 2 ** Math.min(times, 16));
}

export function afterFailure(ordeal: Ordeal, error: unknown, now: number, policy: Policy): Again | Bury {
  const reason = describe(error);
  if (error instanceof Poison) return { kind: 'bury', reason, ordeal: { ...ordeal, poison: reason } };
  const firstFaultAt = ordeal.firstFaultAt ?? now;
  if (error instanceof Fault && now - firstFaultAt < policy.faultPatienceMs) {
    const next = { ...ordeal, faults: ordeal.faults + 1, firstFaultAt };
    return { kind: 'again', afterMs: growing(ordeal.faults, policy.maxDelayMs), ordeal: next };
  }
  const deliveries = ordeal.deliveries + 1;
  const next = { ...ordeal, deliveries };
  if (deliveries >= MAX_DELIVERIES) return { kind: 'bury', reason, ordeal: next };
  const afterMs = policy.retryDelaysMs[deliveries - 1] ?? policy.retryDelaysMs.at(-1) ?? 0;
  return { kind: 'again', afterMs, ordeal: next };
}

export function afterFailedBurial(ordeal: Ordeal, policy: Policy): Again {
  const next = { ...ordeal, failedBurials: ordeal.failedBurials + 1 };
  return { kind: 'again', afterMs: growing(ordeal.failedBurials, policy.maxDelayMs), ordeal: next };
}

/** The error in one line, with what caused it. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `: ${describe(error.cause)}`;
  return `${error.name}: ${error.message}${cause}`;
}
