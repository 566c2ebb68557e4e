import { HOUR_MS, SECOND_MS } from '@lastcall/kernel';
import {
  CONFIRMED,
  DEADLINE,
  expire,
  firstStart,
  given,
  GRACE,
  openByHand,
  spec,
  types,
  update,
  WHY,
} from '../testing/gate-commands.js';
import { refusalFor } from './admission.js';
import { gateDueAt } from './expiry.js';
import { expectedFirstStart } from './first-starts.js';
import { hasAlarm, shutHostsOf } from './gate-state.js';

describe('the first start', () => {
  it.each([
    ['another code', firstStart('guess')],
    ['no code', firstStart('')],
    ['the old version', firstStart('secret-1', '11.0.0')],
    ['another host', firstStart('secret-1', '11.1.0', 'ws1')],
  ])('does not believe a first start with %s', (_, command) =>
    expect(given(...CONFIRMED, update()).when(command)).toMatchObject({ refused: { code: 'refused' }, events: [] }),
  );

  it('opens without a host whose first start did not come, with an alarm, and lets it in later', () => {
    const late = given(...CONFIRMED, update()).when(expire(DEADLINE + HOUR_MS));
    expect(types(late.events)).toEqual(['first-start-given-up', 'answered', 'reopened', 'message-sent']);
    expect(hasAlarm(late.state)).toBe(true);
    const proven = given(...CONFIRMED, update(), expire(DEADLINE + HOUR_MS)).when(firstStart());
    expect(types(proven.events)).toEqual(['first-start-proven']);
    expect(hasAlarm(proven.state)).toBe(false);
  });

  it('does not wait when the order failed, and not for long when it was done', () => {
    const order = {
      type: 'finish-first-start-order',
      order: 'r1.ts1.first-start-1',
      settleMs: 10 * SECOND_MS,
    } as const;
    const failed = given(...CONFIRMED, update()).when({ ...order, failure: WHY, at: DEADLINE });
    expect(types(failed.events)).toEqual(['first-start-given-up', 'answered', 'reopened', 'message-sent']);
    expect(shutHostsOf(failed.state)['ts1']).toBe('It broke. An administrator has to start the client there once.');
    const done = given(...CONFIRMED, update()).when({ ...order, at: DEADLINE });
    expect(gateDueAt(done.state, GRACE)).toBe(DEADLINE + 10 * SECOND_MS);
  });

  describe('by a person', () => {
    const order = { type: 'finish-first-start-order', order: 'r1.ts1.first-start-1', settleMs: 0 } as const;
    const givenUp = [...CONFIRMED, update(), { ...order, failure: WHY, at: DEADLINE } as const];

    it('has the code again, while the host waits and after it was given up', () => {
      expect(expectedFirstStart(given(...CONFIRMED, update()).state, 'ts1')).toMatchObject({ code: 'secret-1' });
      expect(expectedFirstStart(given(...givenUp).state, 'ts1')).toMatchObject({ code: 'secret-1', version: '11.1.0' });
    });

    it.each([
      ['proven', given(...CONFIRMED, update(), firstStart()).state, 'ts1'],
      ['no terminal server', given(...givenUp).state, 'ws1'],
      ['opened by hand', given(...givenUp, openByHand).state, 'ts1'],
      ['no update yet', given(...CONFIRMED).state, 'ts1'],
    ])('has none where none is waited for: %s', (_, state, host) =>
      expect(expectedFirstStart(state, host)).toMatchObject({ code: 'refused', reason: 'NO_FIRST_START' }),
    );

    it('opens the host and ends the alarm, long after the gate has opened', () => {
      const { state } = given(...givenUp);
      const who = { host: 'ts1', version: '11.1.0' };
      expect(state.phase).toBe('open');
      expect(refusalFor(state, who)?.reason).toBe('host-shut');
      const proven = given(...givenUp).when({ ...firstStart(), at: DEADLINE + HOUR_MS } as ReturnType<
        typeof firstStart
      >);
      expect(types(proven.events)).toEqual(['first-start-proven']);
      expect(hasAlarm(proven.state)).toBe(false);
      expect(refusalFor(proven.state, who)).toBeUndefined();
    });

    it('does not hold up the others', () => {
      const hosts = ['ts1', 'ts2'].map((host) => ({ host, role: 'terminal-server', mayFollowLater: false }) as const);
      const run = spec('r1', 1, { hosts });
      const both = { ...update(run), codes: { ts1: 'secret-1', ts2: 'secret-2' } } as ReturnType<typeof update>;
      const { state } = given(...CONFIRMED, both, { ...order, failure: WHY, at: DEADLINE });
      expect(state.phase).toBe('reopening');
      const second = firstStart('secret-2', '11.1.0', 'ts2');
      const opened = given(...CONFIRMED, both, { ...order, failure: WHY, at: DEADLINE }).when(second);
      expect(opened.state.phase).toBe('open');
      expect(Object.keys(shutHostsOf(opened.state))).toEqual(['ts1']);
    });
  });
});
