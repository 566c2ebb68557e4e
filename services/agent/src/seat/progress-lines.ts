import type { OnLocalStep } from '../domain/order.js';
import { createSpeedometer } from './speed.js';

/*
 * Steps and bytes as lines: each step at once, bytes a few times a second, and on while nothing arrives, so that a line that stands still is seen to.
 */

export interface ProgressLines {
  readonly at: OnLocalStep;
  /** Nothing is being downloaded any more. */
  end(): void;
}

const EVERY_MS = 250;

export function createProgressLines(say: (line: Readonly<Record<string, unknown>>) => void): ProgressLines {
  const speedOf = createSpeedometer();
  let last = { done: 0, total: 0 };
  let timer: NodeJS.Timeout | undefined;
  const sayBytes = (): void =>
    say({ said: 'progress', step: 'download', ...last, ...speedOf(last.done, last.total, Date.now()) });
  const end = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  return {
    end,
    at: (step, done, total) => {
      if (total === 0) {
        end();
        return say({ said: 'progress', step });
      }
      last = { done, total };
      if (done >= total) {
        sayBytes();
        return end();
      }
      if (timer) return;
      sayBytes();
      timer = setInterval(sayBytes, EVERY_MS);
    },
  };
}
