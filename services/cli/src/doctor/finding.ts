import { span } from '../render/time.js';

/* What the doctor says about one thing: what it found, and what to do when that is wrong. */

export interface Finding {
  /** `session`, `berlin`, `berlin server-1`. */
  readonly about: string;
  readonly found: string;
  /** What to do; absent: nothing is wrong. */
  readonly remedy?: string;
}

export const good = (about: string, found: string): Finding => ({ about, found });

export const wrong = (about: string, found: string, remedy: string): Finding => ({ about, found, remedy });

export const isWrong = ({ remedy }: Finding): boolean => remedy !== undefined;

/** Further apart than this, what two machines say about the same minute cannot be compared. NTP keeps them within milliseconds. */
export const MAX_CLOCK_DIFFERENCE_MS = 5_000;

/** `4 s ahead of`, `4 s behind`. */
export function apart(ms: number): string {
  return `${span(Math.abs(ms))} ${ms < 0 ? 'behind' : 'ahead of'}`;
}
