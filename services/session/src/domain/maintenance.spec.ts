import { HOUR_MS, MINUTE_MS } from '@lastcall/kernel';
import {
  backup,
  closeByHand,
  counts,
  DEADLINE,
  end,
  expire,
  fail,
  given,
  openByHand,
  prove,
  shut,
  spec,
  T0,
  tell,
  types,
} from '../testing/gate-commands.js';
import { refusalFor } from './admission.js';
import { gateDueAt } from './expiry.js';
import type { GateCommand } from './gate-messages.js';
import { standingNotice } from './gate-state.js';

const CLOSED = HOUR_MS;
const WINDOW = spec('r1', 1, {
  ...{ type: 'maintenance-window', closedForMs: CLOSED, toVersion: '', hosts: [], holdsAllowed: true },
});
const DRAINED = [shut(WINDOW), tell(), end(), prove()];
const END = DEADLINE + CLOSED;
const hold = (durationMs: number): GateCommand => ({
  ...{ type: 'hold', hold: 'h1', session: 's1', user: 'ann', reason: 'Payroll.', durationMs, notice: 'm1', at: T0 + 1 },
  limits: { longestMs: 4 * HOUR_MS, maxCount: 9, maxTotalDelayMs: 4 * HOUR_MS, needsApproval: false },
});

describe('a maintenance window', () => {
  it('goes down as an update does, without a lease', () => {
    const { state } = given(shut(WINDOW)).when(tell());
    expect(standingNotice(state)).toMatchObject({ deadlineAt: DEADLINE, maintenance: { closedForMs: CLOSED } });
    expect('leaseUntil' in state).toBe(false);
    const renew: GateCommand = { type: 'renew-lease', run: 'r1', fence: 1, leaseMs: 1, at: T0 };
    expect(given(shut(WINDOW)).when(renew).events).toEqual([]);
  });

  it('says when it is over as soon as nobody is inside', () => {
    const { events, state } = given(...DRAINED.slice(0, -1)).when(prove());
    expect(events).toEqual([{ type: 'drained', counts, holds: 0, reopenAt: END, at: DEADLINE }]);
    expect(gateDueAt(state, 0)).toBe(END);
    const early = given(shut(WINDOW), tell()).when(prove(0, T0 + 1));
    expect(early.state).toMatchObject({ phase: 'drained', reopenAt: T0 + 1 + CLOSED });
  });

  it('is over at that time, not a millisecond before it, and whoever is silent', () => {
    expect(given(...DRAINED).when(expire(END - 1)).events).toEqual([]);
    for (const at of [END, WINDOW.deadlineAt + HOUR_MS]) {
      const { events, state } = given(...DRAINED).when(expire(at));
      expect(types(events)).toEqual(['answered', 'reopened', 'message-sent']);
      expect(events[0]).toMatchObject({ answer: { outcome: 'succeeded' }, closedAt: T0 });
      expect(state).toMatchObject({ phase: 'open', version: '' });
    }
  });

  it('waits for no backup, and does not go on because of one', () => {
    expect(given(...DRAINED).when(backup()).events).toEqual([]);
  });

  it('is over before that when a person opens the gate, and says who', () => {
    const { events, state } = given(...DRAINED).when(openByHand);
    expect(types(events)).toEqual(['answered', 'opened-by-hand', 'message-sent']);
    expect(events[0]).toMatchObject({ answer: { outcome: 'succeeded', openedBy: 'otto: now' } });
    expect(state.phase).toBe('open');
    expect(types(given(...DRAINED, openByHand).when(expire(END)).events)).toEqual([]);
  });

  it('has failed when a person opens the gate before the logoff', () => {
    const { events } = given(shut(WINDOW), tell()).when(openByHand);
    expect(events.find(({ type }) => type === 'answered')).toMatchObject({ answer: { outcome: 'failed' } });
  });

  it.each([[[shut(WINDOW)]], [DRAINED.slice(0, 2)], [DRAINED.slice(0, 3)], [DRAINED]])(
    '%# is over when it is cancelled, wherever it is',
    (commands) => {
      const { events, state } = given(...commands).when(fail('cancel', WINDOW));
      expect(events.find(({ type }) => type === 'answered')).toMatchObject({ answer: { outcome: 'cancelled' } });
      expect(state.phase).toBe('open');
    },
  );

  it('shuts nothing after it was cancelled, whichever comes first', () =>
    expect(given(fail('cancel', WINDOW)).when(shut(WINDOW)).events).toEqual([]));

  it('disturbs nobody when it would not be over in time', () => {
    const latest = WINDOW.deadlineAt - WINDOW.reactionTimeMs - CLOSED;
    expect(types(given().when(shut(WINDOW, latest)).events)).toEqual(['shut']);
    const { events, state } = given().when(shut(WINDOW, latest + 1));
    expect(events).toMatchObject([
      { type: 'answered', epoch: 0, answer: { outcome: 'failed', failure: { reason: 'TOO_LATE' } } },
    ]);
    expect(state.phase).toBe('open');
  });

  it('is moved by holds as far as its closed time leaves room, and postponed beyond that', () => {
    const room = WINDOW.deadlineAt - CLOSED - T0 - 1;
    expect(types(given(shut(WINDOW), tell()).when(hold(room)).events)).toEqual(['hold-granted', 'deadline-moved']);
    const { events, state } = given(shut(WINDOW), tell()).when(hold(room + 1));
    expect(events[0]).toMatchObject({ type: 'drain-failed', failure: { reason: 'POSTPONED_BY_HOLDS' } });
    expect(state.withdrawn?.words).toEqual({ phrase: 'maintenance-postponed' });
  });

  it('leaves the gate to a person who wants it shut beyond it', () => {
    const { state } = given(...DRAINED, closeByHand).when(expire(END));
    expect(state).toMatchObject({ phase: 'shutting', cause: { by: 'hand' } });
  });

  it('tells those who come why and until when', () => {
    const refusal = (run = WINDOW) => refusalFor(given(shut(run), tell(), end(), prove()).state, NOBODY, DEADLINE);
    expect(refusal()).toMatchObject({ reason: 'gate-shut', expectedAt: END, closedAt: T0 });
    expect(refusal()?.words).toMatchObject([{ phrase: 'maintenance' }, {}, { phrase: 'open-about' }, {}]);
    expect(refusal({ ...WINDOW, message: 'New disks.' })?.words).toMatchObject(['New disks.', {}, {}, {}]);
    const before = refusalFor(given(shut(WINDOW)).state, NOBODY, T0);
    expect(before).toMatchObject({ expectedAt: T0 + 5 * MINUTE_MS + CLOSED });
  });
});

const NOBODY = { host: '', version: '11.0.0' };
