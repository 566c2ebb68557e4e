import { randomId, randomSecret } from './ids.js';

describe('what is random', () => {
  it('is never the same, over many pools of random bytes', () => {
    const ids = Array.from({ length: 2_000 }, () => randomId('s'));
    const secrets = Array.from({ length: 2_000 }, randomSecret);
    expect(new Set([...ids, ...secrets]).size).toBe(4_000);
    for (const id of ids) expect(id).toMatch(/^s-[a-z2-7]{16}$/);
    for (const secret of secrets) expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it('uses every character, and each about as often', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 4_000; i++) {
      for (const character of randomId('').slice(1)) counts.set(character, (counts.get(character) ?? 0) + 1);
    }
    expect(counts.size).toBe(32);
    // 2,000 of each are expected; a deviation of 400 is one of nine standard deviations.
    for (const count of counts.values()) expect(Math.abs(count - 2_000)).toBeLessThan(400);
  });
});
