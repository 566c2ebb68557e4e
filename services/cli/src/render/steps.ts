import type { Work } from '../work.js';
import { createProgress, type Bar } from './progress.js';
import { bytes } from './text.js';

/* What a host is at, as it says it: each step once, with a line that grows where it counts bytes. */

interface Step {
  readonly step: string;
  readonly stepDone: bigint;
  readonly stepTotal: bigint;
}

export function followSteps(work: Work) {
  const progress = createProgress(work);
  let shown = '';
  let bar: Bar | undefined;
  let done = 0;
  const end = (): void => {
    bar?.done();
    bar = undefined;
  };
  return {
    hear: ({ step, stepDone, stepTotal }: Step): void => {
      const name = stepTotal > 0n ? `${step} bytes` : step;
      if (name !== shown) {
        end();
        shown = name;
        done = 0;
        if (stepTotal > 0n) bar = progress.bar(step, Number(stepTotal), bytes);
        else if (step !== '') progress.say(step);
      }
      bar?.add(Number(stepDone) - done);
      done = Number(stepDone);
    },
    end,
  };
}
