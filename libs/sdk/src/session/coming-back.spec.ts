import { run } from '@lastcall/kernel';
import { sessionMachine } from './session-machine.js';
import type { SessionCommand, SessionState } from './session-state.js';

/* How long clients wait before they come back, on the machine alone. */

const NOW = 1_000_000;
const start: SessionCommand = { kind: 'start', now: NOW };
const welcomeAt = (now: number): SessionCommand => ({
  kind: 'hear',
  now,
  random: 0.5,
  message: {
    kind: 'welcome',
    session: 's-1',
    resumeToken: 'again',
    heartbeatMs: 20_000,
    rights: { exempt: false, longestHoldMs: undefined },
    notice: undefined,
  },
});

function play(...commands: SessionCommand[]): SessionState {
  let state = sessionMachine.initial;
  for (const command of commands) {
    const decision = run(sessionMachine, state, command);
    if ('kind' in decision) throw new Error(decision.message);
    ({ state } = decision);
  }
  return state;
}

describe('coming back', () => {
  /** How long it waits before the attempt after so many failed ones. */
  const pause = (failed: number, random: number): number => {
    const commands: SessionCommand[] = [start];
    let now = NOW;
    for (let i = 1; i < failed; i++) {
      commands.push({ kind: 'lose', now, random: 0, refusal: undefined }, { kind: 'tick', now, random: 0 });
    }
    const state = play(...commands, { kind: 'lose', now, random, refusal: undefined });
    now = state.phase.at === 'backing-off' ? state.phase.until : NaN;
    return now - NOW;
  };

  it('is spread from nothing to a bound that doubles up to 15 s: full jitter', () => {
    const bounds = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000];
    bounds.forEach((bound, i) => {
      expect(pause(i + 1, 0)).toBe(0);
      expect(pause(i + 1, 0.5)).toBe(bound / 2);
      expect(pause(i + 1, 0.999999)).toBe(bound - 1);
    });
    expect(pause(500, 0.999999)).toBe(14_999);
  });

  it('is spread evenly: as many of a thousand clients come in each tenth of the time', () => {
    const tenths = new Array<number>(10).fill(0);
    for (let i = 0; i < 1_000; i++) tenths[Math.floor(pause(7, (i + 0.5) / 1_000) / 1_500)]! += 1;
    expect(tenths).toEqual(new Array(10).fill(100));
  });

  it('slows down before a server that takes in and loses, and starts afresh after a good connection', () => {
    const lostAfter = (ms: number): number => {
      const commands: SessionCommand[] = [start];
      let now = NOW;
      for (let i = 0; i < 6; i++) {
        commands.push(welcomeAt(now), { kind: 'lose', now: (now += ms), random: 0.999999, refusal: undefined });
        const { phase } = play(...commands);
        if (phase.at !== 'backing-off') throw new Error(phase.at);
        if (i === 5) return phase.until - now;
        commands.push({ kind: 'tick', now: (now = phase.until), random: 0 });
      }
      return NaN;
    };
    expect(lostAfter(100)).toBe(14_999);
    expect(lostAfter(10_000)).toBe(499);
  });
});
