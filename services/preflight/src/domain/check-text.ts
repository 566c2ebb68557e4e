import type { Check } from './facts.js';

/*
 * How an answer becomes a check. One place, so that every check reads the same.
 */

export interface Subject {
  readonly check: string;
  readonly host: string;
  readonly asked: string;
}

/** Undefined `met`: nobody could find out. */
export interface Answered {
  readonly met: boolean | undefined;
  readonly found: string;
  /** Why the question does not apply. */
  readonly skip?: string;
}

export function ok(subject: Subject, found: string, answeredAt: number): Check {
  return { ...subject, verdict: 'passed', found, remedy: '', answeredAt };
}

export function no(subject: Subject, found: string, remedy: string, answeredAt: number): Check {
  return { ...subject, verdict: 'failed', found, remedy, answeredAt };
}

export function unknown(subject: Subject, found: string, remedy: string, answeredAt: number): Check {
  return { ...subject, verdict: 'unknown', found, remedy, answeredAt };
}

export function skipped(subject: Subject, found: string, answeredAt: number): Check {
  return { ...subject, verdict: 'skipped', found, remedy: '', answeredAt };
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `1.5 GiB`. */
export function bytes(count: number): string {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, count)) / 10)));
  const value = count / 2 ** (10 * power);
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}
