import { Vigil } from './vigil.js';

const LEASE = 30_000;

/** Looks at these seconds. */
function watched(...seconds: readonly number[]): Vigil {
  const vigil = new Vigil(LEASE);
  for (const second of seconds) vigil.looked(second * 1_000);
  return vigil;
}

const everySecond = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('the vigil over the store', () => {
  it('counts when it has lasted for the whole time', () => {
    const vigil = watched(...everySecond(100, 130));
    expect(vigil.isLongEnough(129_999)).toBe(false);
    expect(vigil.isLongEnough(130_000)).toBe(true);
  });

  it('does not count from the first moment', () => expect(new Vigil(LEASE).isLongEnough(1_000_000)).toBe(false));

  it('begins anew after a failure', () => {
    const vigil = watched(...everySecond(100, 140));
    vigil.failed();
    vigil.looked(141_000);
    expect(vigil.isLongEnough(142_000)).toBe(false);
    for (const second of everySecond(142, 171)) vigil.looked(second * 1_000);
    expect(vigil.isLongEnough(171_000)).toBe(true);
  });

  it('begins anew after a pause, as when the machine was suspended', () => {
    const vigil = watched(...everySecond(100, 140), 3_000);
    expect(vigil.isLongEnough(3_000_000)).toBe(false);
    expect(watched(...everySecond(100, 140)).isLongEnough(3_000_000)).toBe(false);
  });
});
