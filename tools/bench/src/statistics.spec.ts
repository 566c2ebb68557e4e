import { median, percentile, ratio, rounded, summarize } from './statistics.js';

describe('percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
  it.each([
    [0, 1],
    [1, 1],
    [50, 50],
    [99, 99],
    [100, 100],
  ])('%d %% of 1 to 100 in any order is %d', (percent, value) => expect(percentile(hundred, percent)).toBe(value));

  it('is the largest of few values when there are not enough to leave one out', () =>
    expect(percentile([3, 1, 2], 99)).toBe(3));
  it('is 0 without values', () => expect(percentile([], 50)).toBe(0));
  it('compares numbers, not their texts, and leaves the list as it was', () => {
    const values = [10, 9, 2];
    expect(median(values)).toBe(9);
    expect(values).toEqual([10, 9, 2]);
  });
});

describe('summarize', () => {
  it('has every figure of a list', () =>
    expect(summarize([2, 1, 4, 3])).toEqual({ count: 4, min: 1, p50: 2, p99: 4, max: 4 }));
  it('is all zeros for an empty one', () =>
    expect(summarize([])).toEqual({ count: 0, min: 0, p50: 0, p99: 0, max: 0 }));
});

describe('rounded and ratio', () => {
  it.each([
    [0, 0],
    [0.12345, 0.123],
    [12.345, 12.3],
    [99.96, 100],
    [123.45, 123],
    [123_456.7, 123_457],
  ])('%d becomes %d', (value, short) => expect(rounded(value)).toBe(short));
  it('says how many times as much', () => expect(ratio(300, 40)).toBe(7.5));
  it('does not divide by nothing', () => expect(ratio(300, 0)).toBe(0));
});
