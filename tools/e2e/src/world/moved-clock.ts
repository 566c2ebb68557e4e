/* The clock of this process's tests, or of a child's, so far ahead of the machine's (behind, if negative). Timers go on as they do. */

const RealDate = Date;

/** In this process: whatever asks for the time from now on. Zero puts it right again. */
export function moveClock(ms: number): void {
  if (ms === 0) {
    globalThis.Date = RealDate;
    return;
  }
  globalThis.Date = class extends RealDate {
    constructor(...args: [] | [string | number | Date]) {
      super(...((args.length === 0 ? [RealDate.now() + ms] : args) as [number]));
    }
    static override now(): number {
      return RealDate.now() + ms;
    }
  } as DateConstructor;
}
