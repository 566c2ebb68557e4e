import fc from 'fast-check';
import { isFull, takeFrom, type Bucket } from './rate.js';

const limit = { burst: 3, perSecond: 2 };

describe('a token bucket', () => {
  it('allows the burst, then so many a second', () => {
    let bucket: Bucket | undefined;
    const take = (at: number): boolean => {
      const taken = takeFrom(bucket, limit, at);
      bucket = taken.bucket;
      return taken.allowed;
    };
    expect([0, 0, 0, 0].map(take)).toEqual([true, true, true, false]);
    expect([500, 500, 1_000].map(take)).toEqual([true, false, true]);
    expect(isFull(bucket ?? { tokens: 0, at: 0 }, limit, 1_000)).toBe(false);
    expect(isFull(bucket ?? { tokens: 0, at: 0 }, limit, 3_000)).toBe(true);
  });

  it('never allows more than burst and rate together', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(700), { maxLength: 60 }), (pauses) => {
        let bucket: Bucket | undefined;
        let now = 0;
        let allowed = 0;
        for (const pause of pauses) {
          now += pause;
          const taken = takeFrom(bucket, limit, now);
          bucket = taken.bucket;
          if (taken.allowed) allowed++;
        }
        expect(allowed).toBeLessThanOrEqual(limit.burst + (now / 1_000) * limit.perSecond + 1e-6);
      }),
    );
  });
});
