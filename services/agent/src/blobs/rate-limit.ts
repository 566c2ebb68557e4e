import { reject, RejectedError } from '@lastcall/kernel';
import { setTimeout as delay } from 'node:timers/promises';

/*
 * How fast downloads may be, all of them together. Who has taken in bytes waits until so many may have come; what is not read
 * meanwhile stays with the sender, because TCP holds it back.
 */

/** Bytes a second that may come at this moment; Infinity for no limit. */
export type RateAt = (at: number) => number;

export interface RateLimit {
  /** Resolves when these bytes may have come. Rejects when it is aborted. */
  take(bytes: number, signal: AbortSignal): Promise<void>;
}

const SECOND_MS = 1_000;

export function createRateLimit(rateAt: RateAt, now: () => number = Date.now, wait = delay): RateLimit {
  let paidUntil = 0;
  return {
    take: async (bytes, signal) => {
      const at = now();
      const rate = rateAt(at);
      if (rate === Infinity) return;
      paidUntil = Math.max(paidUntil, at) + (bytes / rate) * SECOND_MS;
      if (paidUntil > at) await wait(paidUntil - at, undefined, { signal });
    },
  };
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };
/** Below it a server takes the reader for gone. */
const MIN_RATE = 64 * 2 ** 10;

/** Bytes a second of text such as `500K`, `20M` or `1G` (powers of 1,024, as curl reads them). `option` names it in the refusal. */
export function parseRate(option: string, text: string): number {
  const [, digits, unit] = /^(\d{1,12})([KMG]?)$/i.exec(text) ?? [];
  const rate = Number(digits) * (UNITS[unit?.toUpperCase() ?? ''] ?? NaN);
  if (rate >= MIN_RATE) return rate;
  const message = `${option} ${JSON.stringify(text.slice(0, 40))} must be bytes a second with K, M or G, at least 64K: for example 500K or 20M.`;
  throw new RejectedError(reject('invalid', 'BAD_RATE', message));
}
