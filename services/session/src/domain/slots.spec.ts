import { HOUR_MS } from '@lastcall/kernel';
import { initialGate, type GateState, type Notice } from './gate-state.js';
import { messagesAfter, withMessage } from './messages.js';
import { openingFor, standingAnnouncement } from './slots.js';

const T0 = 1_700_000_000_000;

function notice(kind: Notice['kind'], more: Partial<Notice> = {}): Notice {
  const texts = { text: '', version: '2.0.0', product: 'encore', reason: '', whatsNew: '' };
  return { id: `n-${kind}`, kind, sentAt: T0, ...texts, ...more };
}

const open = (more: Partial<GateState> = {}): GateState => Object.assign({}, initialGate, more);
const closing = (more: Partial<GateState> = {}): GateState =>
  open({
    ...more,
    phase: 'closing',
    epoch: 1,
    cause: { by: 'hand', who: 'otto', reason: 'disks' },
    closedAt: T0,
    notice: notice('logoff', { deadlineAt: T0 + HOUR_MS }),
    baseDeadlineAt: T0 + HOUR_MS,
    told: 1,
    holds: [],
    holdsGranted: 0,
  });
const newcomer = { createdAt: T0 + 1 };
const away = { createdAt: T0 - 1 };

describe('a word about a planned run', () => {
  it.each([
    ['announcement', { startAt: T0 + 5 * HOUR_MS }, 5 * HOUR_MS],
    ['moved', { startAt: T0 + 3 * HOUR_MS }, 3 * HOUR_MS],
    ['cancelled', { startAt: T0 + 5 * HOUR_MS }, HOUR_MS],
    ['postponed', {}, HOUR_MS],
    ['back-again', {}, HOUR_MS],
  ] as const)('%s stands so long', (kind, more, standsMs) => {
    const gate = open({ announcement: notice(kind, more) });
    expect(standingAnnouncement(gate, T0 + standsMs - 1)?.kind).toBe(kind);
    expect(standingAnnouncement(gate, T0 + standsMs)).toBeUndefined();
  });
});

function sent(...at: readonly number[]): GateState {
  const all = at.map((ms) => ({ ...notice('message'), id: `m${ms}`, sentAt: T0 + ms }));
  return open(all.reduce((gate, each) => ({ messages: withMessage(gate, each) }), {}));
}

describe('messages', () => {
  const toldAfter = (gate: GateState, last: string) => messagesAfter(gate.messages ?? [], last).map(({ id }) => id);

  it('are each told to those who were there, in their order', () => {
    expect(toldAfter(sent(1, 2, 3), '')).toEqual(['m1', 'm2', 'm3']);
    expect(toldAfter(sent(1, 2, 3), 'm2')).toEqual(['m3']);
    expect(toldAfter(sent(1, 2, 3), 'm3')).toEqual([]);
  });

  it('are the last twenty of the last hour', () => {
    const many = sent(...Array.from({ length: 30 }, (_, i) => i));
    expect(many.messages).toHaveLength(20);
    // The one that was told last is not among them any more: all of them are newer.
    expect(toldAfter(many, 'm3')).toHaveLength(20);
    expect(sent(1, 2, HOUR_MS + 2).messages?.map(({ id }) => id)).toEqual([`m${HOUR_MS + 2}`]);
  });
});

describe('a welcome', () => {
  it('carries the logoff before everything else', () => {
    const gate = closing({
      announcement: notice('announcement', { startAt: T0 + HOUR_MS }),
      messages: [notice('message')],
    });
    expect(openingFor(gate, newcomer, T0)).toMatchObject({
      notice: { kind: 'logoff' },
      told: 'n-logoff',
      announcement: 'n-announcement',
      message: 'n-message',
    });
  });

  it('carries the announcement, also to those who log in after it', () => {
    const gate = open({ announcement: notice('announcement', { startAt: T0 + HOUR_MS }) });
    expect(openingFor(gate, newcomer, T0)).toMatchObject({ notice: { kind: 'announcement' }, told: '' });
  });

  it('carries the message to those who missed it, and to nobody else', () => {
    const gate = open({ messages: [notice('message')] });
    expect(openingFor(gate, away, T0)).toMatchObject({ notice: { kind: 'message' }, message: 'n-message' });
    expect(openingFor(gate, newcomer, T0)).toMatchObject({ notice: undefined, message: 'n-message' });
    expect(openingFor(gate, { createdAt: T0 + 1 }, T0).notice).toBeUndefined();
    expect(openingFor(gate, away, T0 + HOUR_MS).notice).toBeUndefined();
  });

  it('leaves a missed message for after it when it carries something else', () => {
    expect(openingFor(closing({ messages: [notice('message')] }), away, T0)).toMatchObject({
      notice: { kind: 'logoff' },
      message: '',
    });
  });

  it('carries the first of those that were missed, and leaves the others for after it', () => {
    const gate = sent(-2, -1, 1, 2);
    expect(openingFor(gate, { createdAt: T0 }, T0 + 2)).toMatchObject({ notice: { id: 'm1' }, message: 'm1' });
    expect(openingFor({ ...closing(), messages: gate.messages ?? [] }, { createdAt: T0 }, T0 + 2)).toMatchObject({
      message: 'm-1',
    });
    expect(openingFor(gate, { createdAt: T0 + 3 }, T0 + 3)).toMatchObject({ notice: undefined, message: 'm2' });
  });

  it('goes by the order of messages, whatever the clocks of session and message say', () => {
    const gate = sent(1, 2);
    const early = { createdAt: T0 + 1_000 };
    expect(openingFor(gate, { ...early, messagesUpTo: '' }, T0 + 3)).toMatchObject({ notice: { id: 'm1' } });
    expect(openingFor(gate, { ...early, messagesUpTo: 'm1' }, T0 + 3)).toMatchObject({ notice: { id: 'm2' } });
    expect(openingFor(gate, { createdAt: 0, messagesUpTo: 'm2' }, T0 + 3)).toMatchObject({ notice: undefined });
    // It is not among the last ones any more: all of them are newer.
    expect(openingFor(gate, { ...early, messagesUpTo: 'm-9' }, T0 + 3)).toMatchObject({ notice: { id: 'm1' } });
  });

  it('carries nothing when there is nothing', () => {
    expect(openingFor(open(), newcomer, T0)).toEqual({ notice: undefined, told: '', announcement: '', message: '' });
  });
});
