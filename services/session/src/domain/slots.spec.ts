import { HOUR_MS } from '@lastcall/kernel';
import { initialGate, type GateState, type Notice } from './gate-state.js';
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
const newcomer = { createdAt: T0 + 1, cameBack: false };
const away = { createdAt: T0 - 1, cameBack: true };

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

describe('a welcome', () => {
  it('carries the logoff before everything else', () => {
    const gate = closing({
      announcement: notice('announcement', { startAt: T0 + HOUR_MS }),
      message: notice('message'),
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
    const gate = open({ message: notice('message') });
    expect(openingFor(gate, away, T0)).toMatchObject({ notice: { kind: 'message' }, message: 'n-message' });
    expect(openingFor(gate, newcomer, T0)).toMatchObject({ notice: undefined, message: 'n-message' });
    expect(openingFor(gate, { ...away, createdAt: T0 + 1 }, T0).notice).toBeUndefined();
    expect(openingFor(gate, away, T0 + HOUR_MS).notice).toBeUndefined();
  });

  it('leaves a missed message for after it when it carries something else', () => {
    expect(openingFor(closing({ message: notice('message') }), away, T0)).toMatchObject({
      notice: { kind: 'logoff' },
      message: '',
    });
  });

  it('carries nothing when there is nothing', () => {
    expect(openingFor(open(), newcomer, T0)).toEqual({ notice: undefined, told: '', announcement: '', message: '' });
  });
});
