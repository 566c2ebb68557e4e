import { SESSIONS_PER_CONNECTION, takeConnectionShare } from './connection-shares.js';

describe('shares of connections', () => {
  it('fill one connection after the other, and take what became free first', () => {
    const shares = Array.from({ length: SESSIONS_PER_CONNECTION + 1 }, takeConnectionShare);
    expect(shares.filter(({ connection }) => connection === 0)).toHaveLength(SESSIONS_PER_CONNECTION);
    expect(shares.at(-1)?.connection).toBe(1);
    shares[0]?.release();
    // Whoever says it twice frees nobody else's place.
    shares[0]?.release();
    const [next, another] = [takeConnectionShare(), takeConnectionShare()];
    expect([next.connection, another.connection]).toEqual([0, 1]);
    for (const share of [...shares, next, another]) share.release();
    expect(takeConnectionShare().connection).toBe(0);
  });
});
