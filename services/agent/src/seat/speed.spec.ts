import { createSpeedometer } from './speed.js';

describe('the speed of a download', () => {
  it('is not known before something can be said', () => {
    const speed = createSpeedometer();
    expect(speed(0, 1_000, 0)).toEqual({ bytesPerSecond: 0, secondsLeft: undefined });
    expect(speed(100, 1_000, 200)).toEqual({ bytesPerSecond: 0, secondsLeft: undefined });
  });

  it('is that of the last seconds, with the time that is left', () => {
    const speed = createSpeedometer();
    speed(0, 10_000, 0);
    expect(speed(1_000, 10_000, 1_000)).toEqual({ bytesPerSecond: 1_000, secondsLeft: 9 });
    // Ten seconds of silence, then twice as fast: what was before does not count any more.
    speed(1_000, 10_000, 11_000);
    expect(speed(3_000, 10_000, 12_000)).toEqual({ bytesPerSecond: 2_000, secondsLeft: 4 });
  });

  it('does not know the time left while nothing arrives', () => {
    const speed = createSpeedometer();
    speed(500, 1_000, 0);
    expect(speed(500, 1_000, 2_000)).toEqual({ bytesPerSecond: 0, secondsLeft: undefined });
  });

  it('begins anew when bytes were thrown away', () => {
    const speed = createSpeedometer();
    speed(5_000, 10_000, 0);
    expect(speed(0, 10_000, 1_000)).toEqual({ bytesPerSecond: 0, secondsLeft: undefined });
    expect(speed(1_000, 10_000, 2_000)).toEqual({ bytesPerSecond: 1_000, secondsLeft: 9 });
  });
});
