import type { Work } from '../work.js';

/* What goes on for longer than a moment: a line that changes on a terminal, one line an event elsewhere. */

export interface Bar {
  add(done: number): void;
  done(): void;
}

export interface Progress {
  /** Something has begun. */
  say(text: string): void;
  bar(text: string, total: number, unit: (value: number) => string): Bar;
}

const REDRAW_MS = 100;
const CLEAR_LINE = '\r\u001b[2K';

export function createProgress(work: Work, now: () => number = Date.now): Progress {
  const live = work.io.isTerminal && !work.json;
  return {
    say: (text) => work.note(text),
    bar: (text, total, unit) => (live ? liveBar(work, text, total, unit, now) : plainBar(work, text, total, unit)),
  };
}

function plainBar(work: Work, text: string, total: number, unit: (value: number) => string): Bar {
  work.note(`${text} (${unit(total)})`);
  return { add: () => {}, done: () => {} };
}

function liveBar(work: Work, text: string, total: number, unit: (value: number) => string, now: () => number): Bar {
  let value = 0;
  let drawnAt = 0;
  const draw = (): void => {
    drawnAt = now();
    work.io.out.write(`${CLEAR_LINE}${text} ${meter(value, total, 20)} ${unit(value)} of ${unit(total)}`);
  };
  draw();
  return {
    add: (done) => {
      value += done;
      if (now() - drawnAt >= REDRAW_MS) draw();
    },
    done: () => {
      draw();
      work.io.out.write('\n');
    },
  };
}

/** `[#######-----]`. */
export function meter(value: number, total: number, width: number): string {
  const part = total > 0 ? Math.min(1, Math.max(0, value / total)) : 1;
  const full = Math.round(part * width);
  return `[${'#'.repeat(full)}${'-'.repeat(width - full)}]`;
}
