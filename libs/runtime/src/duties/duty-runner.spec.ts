import { createLogger } from '../logging.js';
import type { Duty } from '../service.js';
import { noTelemetry } from '../telemetry/telemetry.js';
import { createDutyRunner } from './duty-runner.js';
import { createManualTimers, settle, type ManualTimers } from './manual-timers.js';

const log = createLogger('silent');

interface Recorded extends Duty {
  readonly runs: number[];
}

function recordedDuty(timers: ManualTimers, answer: (run: number) => number | undefined, everyMs = 10_000): Recorded {
  const runs: number[] = [];
  const startAt = timers.now();
  return {
    name: 'test',
    everyMs,
    runs,
    runOnce: async () => {
      runs.push(timers.now() - startAt);
      return answer(runs.length);
    },
  };
}

function start(timers: ManualTimers, duty: Duty, now = () => timers.now()) {
  // A half in the middle: neither early nor late.
  const options = { service: 'session', duties: [duty], log, telemetry: noTelemetry, timers, now, random: () => 0.5 };
  const runner = createDutyRunner(options);
  void runner.start?.();
  return runner;
}

describe('a duty', () => {
  it('runs at the start and at least every everyMs', async () => {
    const timers = createManualTimers();
    const duty = recordedDuty(timers, () => undefined);
    start(timers, duty);
    await timers.advance(25_000);
    expect(duty.runs).toEqual([0, 10_000, 20_000]);
  });

  it('runs at the time that it answered, when that is sooner', async () => {
    const timers = createManualTimers();
    const startAt = timers.now();
    const duty = recordedDuty(timers, (run) => (run === 1 ? startAt + 3_000 : startAt + 99_000));
    start(timers, duty);
    await timers.advance(12_000);
    expect(duty.runs).toEqual([0, 3_000]);
  });

  it('compares answered times with the store, whose clock may differ', async () => {
    const timers = createManualTimers();
    const storeNow = () => timers.now() - 2_000;
    const duty = recordedDuty(timers, (run) => (run === 1 ? storeNow() + 500 : undefined));
    start(timers, duty, storeNow);
    await timers.advance(600);
    expect(duty.runs).toEqual([0, 500]);
  });

  it('runs when woken, once for many wake-ups, and once more when woken while it runs', async () => {
    const timers = createManualTimers();
    const duty = recordedDuty(timers, (run) => {
      if (run === 2) duty.wake?.();
      return undefined;
    });
    start(timers, duty);
    await settle();
    duty.wake?.();
    duty.wake?.();
    await settle();
    expect(duty.runs).toHaveLength(3);
  });

  it('never spins on a time that has passed', async () => {
    const timers = createManualTimers();
    const duty = recordedDuty(timers, () => 0);
    start(timers, duty);
    await timers.advance(50);
    expect(duty.runs.length).toBeLessThanOrEqual(11);
  });

  it('backs off after errors, is not hurried by wake-ups then, and recovers', async () => {
    const timers = createManualTimers();
    const duty = recordedDuty(timers, (run) => {
      if (run <= 3) throw new Error('database away');
      return undefined;
    });
    start(timers, duty);
    await settle();
    duty.wake?.();
    await settle();
    expect(duty.runs).toEqual([0]);
    await timers.advance(2_000);
    expect(duty.runs).toEqual([0, 100, 300, 700]);
    await timers.advance(10_000);
    expect(duty.runs).toHaveLength(5);
  });

  it('is aborted by the stop, which waits for it, and never runs again', async () => {
    const timers = createManualTimers();
    let aborted = false;
    const duty: Duty = {
      name: 'slow',
      everyMs: 1_000,
      runOnce: (signal) =>
        new Promise((resolve) =>
          signal.addEventListener('abort', () => {
            aborted = true;
            setImmediate(() => resolve(undefined));
          }),
        ),
    };
    const runner = start(timers, duty);
    await settle();
    await runner.stop?.();
    expect(aborted).toBe(true);
    duty.wake?.();
    expect(timers.nextInMs()).toBeUndefined();
  });
});
