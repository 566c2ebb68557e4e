import type { Clock } from '@lastcall/kernel';
import type { Store } from '@lastcall/store';
import type { LifecyclePart } from '../lifecycle.js';
import type { Logger } from '../logging.js';
import { createPoller, type Timers } from './timers.js';

/*
 * The store's clock as this process knows it: the local one, corrected by the difference that it last measured. Due times are
 * the store's; a local clock that is ahead of it would run a duty again and again until its time has really come. It decides when
 * to look, never what is due.
 */

export interface StoreClock extends Clock, LifecyclePart {}

const MEASURE_EVERY_MS = 60_000;

export function createStoreClock(store: Store, timers: Timers, log: Logger): StoreClock {
  let offsetMs = 0;
  async function measure(): Promise<void> {
    const before = timers.now();
    const theirs = await store.now();
    offsetMs = Math.round(theirs - (before + timers.now()) / 2);
  }
  const poller = createPoller({ name: 'store clock', timers, everyMs: MEASURE_EVERY_MS, log, run: measure });
  return {
    name: 'store clock',
    now: () => timers.now() + offsetMs,
    start: async () => {
      await measure();
      poller.start();
    },
    stop: () => poller.stop(),
  };
}
