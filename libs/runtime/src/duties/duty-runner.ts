import type { LifecyclePart } from '../lifecycle.js';
import type { Logger } from '../logging.js';
import type { Duty } from '../service.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import { createPoller, type Timers } from './timers.js';

/*
 * Runs the duties of a service beside each other, each one alone in its own rhythm (`createPoller`). Times that a duty answers
 * are the store's; `now` is the store's clock as well as this process knows it.
 */

export interface DutyRunnerOptions {
  readonly service: string;
  readonly duties: readonly Duty[];
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly timers: Timers;
  readonly now: () => number;
  readonly random: () => number;
}

export function createDutyRunner(options: DutyRunnerOptions): LifecyclePart {
  const { service, log, telemetry, timers, now, random } = options;
  const pollers = options.duties.map((duty) => {
    const labels = { service, duty: duty.name };
    const poller = createPoller({
      name: `${duty.name} of ${service}`,
      timers,
      everyMs: duty.everyMs,
      log,
      now,
      random,
      run: (signal) => duty.runOnce(signal),
      onRun: (failed) => telemetry.count(failed ? 'duty_failures' : 'duty_runs', labels),
    });
    duty.wake = () => poller.wake();
    return poller;
  });
  return {
    name: `duties of ${service}`,
    start: async () => pollers.forEach((poller) => poller.start()),
    stop: async () => {
      await Promise.all(pollers.map((poller) => poller.stop()));
    },
  };
}
