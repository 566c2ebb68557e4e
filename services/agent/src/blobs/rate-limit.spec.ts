import { createRateLimit, parseRate } from './rate-limit.js';

describe('createRateLimit', () => {
  const { signal } = new AbortController();

  function manual(rateAt: (at: number) => number) {
    let at = 0;
    const waits: number[] = [];
    const wait = (async (ms?: number) => {
      waits.push(ms ?? 0);
      at += ms ?? 0;
    }) as Parameters<typeof createRateLimit>[2];
    const limit = createRateLimit(rateAt, () => at, wait);
    return { limit, waits, pass: (ms: number) => (at += ms), at: () => at };
  }

  it('lets pass what the rate allows, over any number of pieces', async () => {
    const { limit, at } = manual(() => 1_000);
    for (let i = 0; i < 50; i++) await limit.take(100, signal);
    expect(at()).toBeCloseTo(5_000);
  });

  it('does not wait without a limit', async () => {
    const { limit, waits } = manual(() => Infinity);
    await limit.take(1e9, signal);
    expect(waits).toEqual([]);
  });

  it('does not make up for time in which nothing came', async () => {
    const { limit, pass, waits } = manual(() => 1_000);
    pass(60_000);
    await limit.take(500, signal);
    expect(waits).toEqual([500]);
  });

  it('follows a rate that changes', async () => {
    const { limit, waits } = manual((at) => (at < 1_000 ? 1_000 : Infinity));
    await limit.take(1_000, signal);
    await limit.take(1e9, signal);
    expect(waits).toEqual([1_000]);
  });

  it('is shared by all who take', async () => {
    const waits: number[] = [];
    const wait = (async (ms?: number) => void waits.push(ms ?? 0)) as Parameters<typeof createRateLimit>[2];
    const limit = createRateLimit(
      () => 1_000,
      () => 0,
      wait,
    );
    await Promise.all([limit.take(1_000, signal), limit.take(1_000, signal), limit.take(1_000, signal)]);
    expect(waits).toEqual([1_000, 2_000, 3_000]);
  });

  it('ends with the agent', async () => {
    const stop = new AbortController();
    const waiting = createRateLimit(() => 1).take(1e6, stop.signal);
    stop.abort();
    await expect(waiting).rejects.toThrow();
  });
});

describe('parseRate', () => {
  it.each([
    ['65536', 65_536],
    ['64K', 65_536],
    ['20M', 20 * 2 ** 20],
    ['2m', 2 * 2 ** 20],
    ['1G', 2 ** 30],
  ])('reads %s', (text, rate) => expect(parseRate('--max-rate', text)).toBe(rate));

  it.each(['', '0', '1', '63K', '-1M', '1.5M', '20MB', '20 M', 'M', '1e9', 'unlimited', '9999999999999'])(
    'refuses %j and says what is allowed',
    (text) => expect(() => parseRate('--max-rate', text)).toThrow(/--max-rate .* at least 64K/),
  );
});
