import { rounded } from '@lastcall/bench';

/*
 * What a run of k6 left behind: whether each assertion held, what was counted, how long it took. Pure.
 */

export interface Check {
  readonly what: string;
  readonly expected: string;
  readonly found: string;
  readonly ok: boolean;
}

/** Milliseconds. */
export interface Times {
  readonly count: number;
  readonly min: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface Results {
  readonly checks: readonly Check[];
  readonly counts: Readonly<Record<string, number>>;
  readonly times: Readonly<Record<string, Times>>;
}

interface Metric {
  readonly type: string;
  readonly values: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
}

const OURS = /^lastcall_(?<name>.+)$/;

export function equal(what: string, found: number | string, expected: number | string): Check {
  return { what, expected: String(expected), found: String(found), ok: found === expected };
}

export function holds(what: string, ok: boolean, found: number | string): Check {
  return { what, expected: 'so', found: String(found), ok };
}

/** Of the metrics of a summary. A metric without a sample counts as none: a threshold on nothing must not look like success. */
export function readResults(text: string): Results {
  const metrics = JSON.parse(text) as Readonly<Record<string, Metric>>;
  const checks: Check[] = [];
  const counts: Record<string, number> = {};
  const times: Record<string, Times> = {};
  for (const [key, { type, values, thresholds = {} }] of Object.entries(metrics)) {
    const name = OURS.exec(key)?.groups?.['name'];
    if (name === undefined) continue;
    const count = values['count'] ?? 0;
    if (type === 'counter') counts[name] = count;
    else if (count > 0) times[name] = timesOf(values);
    for (const [threshold, { ok }] of Object.entries(thresholds)) {
      const what = name.replaceAll('_', ' ');
      checks.push({ what, expected: threshold.replace('count==', ''), found: String(count), ok });
    }
  }
  if (checks.length === 0) checks.push({ what: 'assertions of k6', expected: 'some', found: 'none', ok: false });
  return { checks, counts, times };
}

function timesOf(values: Metric['values']): Times {
  const of = (name: string): number => rounded(values[name] ?? Number.NaN);
  return { count: values['count'] ?? 0, min: of('min'), p50: of('med'), p99: of('p(99)'), max: of('max') };
}
