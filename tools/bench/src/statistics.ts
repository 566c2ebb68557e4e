/*
 * What a list of measurements comes to. Pure.
 */

export interface Summary {
  readonly count: number;
  readonly min: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * The smallest value that at least `percent` % of the values do not exceed (nearest rank): a value that was really measured,
 * never one between two. 0 without values.
 */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.ceil((percent / 100) * sorted.length);
  return sorted[Math.max(0, rank - 1)] ?? 0;
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

export function summarize(values: readonly number[]): Summary {
  return {
    count: values.length,
    min: rounded(percentile(values, 0)),
    p50: rounded(percentile(values, 50)),
    p99: rounded(percentile(values, 99)),
    max: rounded(percentile(values, 100)),
  };
}

/** Three significant digits are more than any of this is worth; small values keep their decimals. */
export function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}

/** How many times as much; 0 when there is nothing to compare with. */
export function ratio(value: number, base: number): number {
  return base > 0 ? rounded(value / base) : 0;
}
