import { HOUR_MS, MINUTE_MS } from '@lastcall/kernel';
import {
  CONFIRMED,
  DEADLINE,
  DRAINED,
  GRACE,
  T0,
  WHY,
  backup,
  closeByHand,
  counts,
  end,
  expire,
  fail,
  firstStart,
  given,
  openByHand,
  prove,
  shut,
  spec,
  tell,
  types,
  update,
} from '../testing/gate-commands.js';
import { refusalFor } from './admission.js';
import { gateDueAt } from './expiry.js';
import type { GateCommand } from './gate-messages.js';
import { hasAlarm, shutHostsOf, standingNotice, usualShutMs, type NoticeKind } from './gate-state.js';

const quarantineOf = (hosts: Record<string, string>): GateCommand => ({
  ...{ type: 'quarantine', run: spec(), failure: WHY, hosts, at: DEADLINE },
});

describe('the way down', () => {
  it('shuts before anybody is told', () => {
    const { events, state } = given().when(shut());
    expect(types(events)).toEqual(['shut']);
    expect(state).toMatchObject({ phase: 'shutting', epoch: 1, closedAt: T0 });
    expect(standingNotice(state)).toBeUndefined();
  });

  it('names a deadline that is the whole reaction time away', () => {
    const { state, events } = given(shut()).when(tell(T0 + 5, 40));
    expect(events).toMatchObject([{ type: 'told', sessions: 40 }]);
    expect(standingNotice(state)).toMatchObject({ deadlineAt: T0 + 5 + 5 * MINUTE_MS, version: '11.1.0' });
  });

  it('tells once', () => expect(given(shut(), tell()).when(tell(T0 + 1)).events).toEqual([]));

  it('takes the text of the job when there is one, and leaves it to the template otherwise', () => {
    const notice = (message: string) => standingNotice(given(shut(spec('r1', 1, { message })), tell()).state);
    expect(notice('Coffee!')).toMatchObject({ kind: 'logoff', text: 'Coffee!' });
    expect(notice('')).toMatchObject({ kind: 'logoff', text: '', product: 'encore', version: '11.1.0' });
  });

  it('ends nobody a millisecond early', () => {
    expect(given(shut(), tell()).when(end(DEADLINE - 1)).events).toEqual([]);
    expect(types(given(shut(), tell()).when(end()).events)).toEqual(['ending-begun']);
  });

  it('waits for zero, and says how they left', () => {
    expect(given(shut(), tell(), end()).when(prove(1)).events).toEqual([]);
    expect(given(shut(), tell(), end()).when(prove(0)).events).toEqual([
      { type: 'drained', counts, holds: 0, at: DEADLINE },
    ]);
  });

  it('does not wait when all of them have left', () =>
    expect(types(given(shut(), tell()).when(prove(0, T0 + 1)).events)).toEqual(['drained']));

  it('does not believe a count of another epoch', () =>
    expect(given(shut(), tell(), end()).when(prove(0, DEADLINE, 2)).events).toEqual([]));

  it('gives up and opens when somebody hangs', () => {
    const { events, state } = given(shut(), tell(), end()).when(prove(2, DEADLINE + MINUTE_MS));
    expect(types(events)).toEqual(['drain-failed', 'answered', 'reopened']);
    expect(state.phase).toBe('open');
  });

  it('proves zero again after the backup', () => {
    expect(given(...DRAINED).when(backup()).state.phase).toBe('confirming');
    expect(types(given(...DRAINED, backup()).when(prove()).events)).toEqual(['confirmed']);
    expect(types(given(...DRAINED, backup()).when(prove(1, DEADLINE + MINUTE_MS)).events)).toEqual([
      'drain-failed',
      'answered',
      'reopened',
    ]);
  });

  it('does not mind the backup of another run', () => expect(given(...DRAINED).when(backup('r9')).events).toEqual([]));

  it('takes a second StagingCompleted for what it is', () => {
    for (const before of [[shut()], [shut(), tell()], DRAINED, CONFIRMED, [...CONFIRMED, update()]]) {
      expect(given(...before).when(shut()).events).toEqual([]);
    }
  });
});

describe('the way back', () => {
  it('waits for the first start of each terminal server', () => {
    const { state, events } = given(...CONFIRMED).when(update());
    expect(types(events)).toEqual(['version-set', 'first-starts-asked']);
    expect(state).toMatchObject({ phase: 'reopening', version: '11.1.0' });
    expect(Object.keys(shutHostsOf(state))).toEqual(['ts1']);
    const proven = given(...CONFIRMED, update()).when(firstStart());
    expect(types(proven.events)).toEqual(['first-start-proven', 'answered', 'reopened', 'message-sent']);
    expect(proven.events[1]).toMatchObject({ epoch: 1, answer: { outcome: 'succeeded' } });
    expect(shutHostsOf(proven.state)).toEqual({});
  });

  it('opens at once without terminal servers, and without those that were absent', () => {
    const alone = spec('r1', 1, { hosts: [{ host: 'srv', role: 'server', mayFollowLater: false }] });
    const way = [shut(alone), tell(), end(), prove(), backup(), prove()];
    expect(types(given(...way).when(update(alone)).events)).toContain('reopened');
    expect(types(given(...CONFIRMED).when(update(spec(), ['ts1'])).events)).toContain('reopened');
  });

  it('opens on the old version after a rollback', () => {
    const { state, events } = given({ type: 'learn-version', version: '11.0.0' }, ...CONFIRMED).when({
      type: 'roll-back',
      run: spec(),
      failure: WHY,
      at: DEADLINE + 1,
    });
    expect(types(events)).toEqual(['version-set', 'answered', 'reopened']);
    expect(state).toMatchObject({ phase: 'open', version: '11.0.0' });
  });

  it('stays shut in quarantine until a person opens it, and answers once', () => {
    const quarantine = quarantineOf({});
    const { state, events } = given(...CONFIRMED).when(quarantine);
    expect(types(events)).toEqual(['answered', 'quarantined']);
    expect(hasAlarm(state)).toBe(true);
    expect(given(...CONFIRMED, quarantine).when(quarantine).events).toEqual([]);
    expect(types(given(...CONFIRMED, quarantine).when(openByHand).events)).toEqual(['opened-by-hand']);
    expect(given(...CONFIRMED, quarantine).when(shut(spec('r2', 2))).state.phase).toBe('shutting');
  });

  it('stays shut for exactly the hosts that could not be brought back, and opens for the others', () => {
    const { state, events } = given(...CONFIRMED).when(quarantineOf({ ts1: 'Lost.' }));
    expect(types(events)).toEqual(['hosts-quarantined', 'version-set', 'answered', 'reopened']);
    expect([state.phase, hasAlarm(state), shutHostsOf(state)]).toEqual(['open', true, { ts1: 'Lost.' }]);
    expect(refusalFor(state, { host: 'ts1', version: '11.0.0' })).toMatchObject({ reason: 'host-shut' });
    expect(refusalFor(state, { host: 'ws', version: '11.0.0' })).toBeUndefined();
  });

  it('opens for a quarantined host when it is released, updated, or a person opens the gate', () => {
    const lost: GateCommand[] = [...CONFIRMED, quarantineOf({ ts1: 'Lost.', ws1: 'Lost.' })];
    const release: GateCommand = { type: 'release-host', run: spec(), host: 'ts1', at: DEADLINE };
    expect(shutHostsOf(given(...lost).when(release).state)).toEqual({ ws1: 'Lost.' });
    expect(given(...lost, release).when(release).events).toEqual([]);
    expect(given(...lost).when(openByHand).state).toMatchObject({ phase: 'open', firstStarts: {} });
    expect(shutHostsOf(given(...lost, openByHand).state)).toEqual({});
    const next = spec('r2', 2);
    const updated = given(...lost).when(update(next)).state;
    expect(Object.keys(updated.quarantine ?? {})).toEqual([]);
    expect(hasAlarm(given(...lost).when(update(next, ['ts1'])).state)).toBe(true);
  });

  it('stays shut for all while the host with the data is quarantined, and opens when it is released', () => {
    const lost: GateCommand[] = [...CONFIRMED, quarantineOf({ srv: 'Lost.', ts1: 'Lost.' })];
    expect(given(...lost).state.phase).toBe('quarantined');
    const release = (host: string): GateCommand => ({ type: 'release-host', run: spec(), host, at: DEADLINE });
    expect(given(...lost, release('ts1')).state.phase).toBe('quarantined');
    const { state } = given(...lost).when(release('srv'));
    expect([state.phase, shutHostsOf(state)]).toEqual(['open', { ts1: 'Lost.' }]);
  });

  it('estimates the next reopening from the last ones, the newest five', () => {
    const { state } = given(...CONFIRMED, update()).when(firstStart());
    expect(state.shutTimesMs).toEqual([2 * MINUTE_MS]);
    expect(usualShutMs({ shutTimesMs: [1, 50, 3, 900, 2] })).toBe(3);
    expect(usualShutMs({})).toBeUndefined();
  });

  it('tells what is new when the update succeeded, also to who logs in soon after', () => {
    const run = spec('r1', 1, { whatsNew: 'Faster lists.' });
    const way = [shut(run), tell(), end(), prove(), backup(), prove(), update(run)];
    const { state } = given(...way).when(firstStart());
    expect(state.announcement).toEqual({
      id: 'r1.back-again',
      kind: 'back-again',
      text: '',
      sentAt: DEADLINE + 2 * MINUTE_MS,
      product: 'encore',
      version: '11.1.0',
      reason: '',
      whatsNew: 'Faster lists.',
    });
    expect(given(...way, openByHand).state.announcement).toMatchObject({ kind: 'back-again' });
  });

  it('tells nothing of the kind after a rollback, and not while a person wants it shut', () => {
    const back: GateCommand = { type: 'roll-back', run: spec(), failure: WHY, at: DEADLINE };
    expect(given(...CONFIRMED, back).state.announcement).toBeUndefined();
    const way = [...CONFIRMED, closeByHand, update()];
    expect(types(given(...way).when(firstStart()).events)).not.toContain('message-sent');
  });
});

describe('ends before the install', () => {
  it.each(['preflight', 'staging', 'backup', 'cancel'] as const)(
    'answers after %s, also when nothing was shut',
    (after) => {
      const { events, state } = given().when(fail(after));
      expect(events).toMatchObject([{ type: 'answered', epoch: 0 }]);
      expect(state.phase).toBe('open');
    },
  );

  it.each([[[shut()]], [[shut(), tell()]], [[shut(), tell(), end()]], [DRAINED], [[...DRAINED, backup()]]])(
    'opens what the run had shut (%#)',
    (before) => {
      const { events, state } = given(...before).when(fail('cancel'));
      expect(types(events)).toEqual(['answered', 'reopened']);
      expect(events[0]).toMatchObject({ epoch: 1, closedAt: T0 });
      expect(state.phase).toBe('open');
    },
  );

  it('takes the notice back', () =>
    expect(given(shut(), tell(), fail('backup')).state.withdrawn).toMatchObject({ notice: `n${T0}` }));

  it('opens on nobody’s word but the installer’s while the install may be running', () => {
    expect(given(...CONFIRMED).when(fail('backup')).events).toEqual([]);
    expect(given(...CONFIRMED).when(openByHand)).toMatchObject({ refused: { reason: 'INSTALL_RUNNING' } });
    expect(given(...DRAINED).when(openByHand)).toMatchObject({ refused: { reason: 'INSTALL_RUNNING' } });
    expect(types(given(...CONFIRMED).when(fail('cancel')).events)).toEqual(['answered', 'reopened']);
  });

  it('ignores a late StagingCompleted, of this run and of older ones', () => {
    expect(given(fail('cancel')).when(shut()).events).toEqual([]);
    expect(given(fail('cancel', spec('r7', 7))).when(shut(spec('r6', 6))).events).toEqual([]);
  });

  it('leaves the gate of another run alone', () => {
    const { events, state } = given(shut(), tell()).when(fail('preflight', spec('r2', 2)));
    expect(events).toMatchObject([{ type: 'answered', epoch: 0 }]);
    expect(state.phase).toBe('closing');
  });
});

describe('when nobody says anything', () => {
  const late = T0 + 2 * HOUR_MS + GRACE;

  it.each([[[shut(), tell()]], [DRAINED], [[...DRAINED, backup()]]])(
    'opens when nothing was installed (%#)',
    (before) => {
      expect(given(...before).when(expire(late - 1)).events).toEqual([]);
      expect(types(given(...before).when(expire(late)).events)).toEqual(['drain-failed', 'answered', 'reopened']);
    },
  );

  it('raises the alarm and stays shut when the install may be running', () => {
    const { state, events } = given(...CONFIRMED).when(expire(late));
    expect(events).toEqual([{ type: 'alarm-raised', reason: 'no-outcome' }]);
    expect(hasAlarm(state)).toBe(true);
    expect(given(...CONFIRMED, expire(late)).when(expire(late)).events).toEqual([]);
    expect(types(given(...CONFIRMED, expire(late)).when(openByHand).events)).toEqual(['answered', 'opened-by-hand']);
    expect(given(...CONFIRMED, expire(late)).when(update()).state.phase).toBe('reopening');
  });
});

describe('by hand', () => {
  it('shuts with notice and reaction time, and stays shut', () => {
    const { state } = given(closeByHand, tell(), end(T0 + MINUTE_MS), prove(0, T0 + MINUTE_MS));
    expect(state).toMatchObject({ phase: 'drained', cause: { by: 'hand' } });
    expect(gateDueAt(state, GRACE)).toBeUndefined();
    expect(given(closeByHand).when(closeByHand).events).toEqual([]);
  });

  it('survives a run that passes meanwhile', () => {
    const way = [closeByHand, shut(), tell(), prove(0, T0, 2), backup(), prove(0, T0, 2)];
    const { state, events } = given(...way, update()).when(firstStart());
    expect(types(events)).toContain('answered');
    expect(state).toMatchObject({ phase: 'shutting', cause: { by: 'hand' } });
    expect(given(...way, update(), firstStart()).when(openByHand).state.phase).toBe('open');
  });

  it('ends the run whose drain it breaks off', () => {
    const { events } = given(shut(), tell()).when(openByHand);
    expect(types(events)).toEqual(['drain-failed', 'answered', 'opened-by-hand']);
  });

  it('lets in hosts that wait for a person', () => {
    const { state } = given(...CONFIRMED, update(), expire(DEADLINE + HOUR_MS), openByHand);
    expect(hasAlarm(state)).toBe(false);
  });
});

describe('the version', () => {
  it('is what the catalog says', () =>
    expect(given({ type: 'learn-version', version: '11.0.0' }).state.version).toBe('11.0.0'));

  it('does not go back when the catalog is behind an update', () => {
    const way: GateCommand[] = [{ type: 'learn-version', version: '11.0.0' }, ...CONFIRMED, update(), firstStart()];
    expect(given(...way, { type: 'learn-version', version: '11.0.0' }).state.version).toBe('11.1.0');
    const told: GateCommand[] = [...way, { type: 'learn-version', version: '11.1.0' }];
    expect(given(...told).state.version).toBe('11.1.0');
    // From there on its word counts again.
    expect(given(...told, { type: 'learn-version', version: '11.0.0' }).state.version).toBe('11.0.0');
  });
});

describe('messages', () => {
  const about = { version: '', product: '', reason: '', whatsNew: '', sentAt: T0 };
  const send = (id: string, kind: NoticeKind): GateCommand => ({
    type: 'send-message',
    notice: { id, kind, text: id, ...about },
  });

  it('stand beside the notice, those of a person apart from those about a plan', () => {
    const { state } = given(send('soon', 'announcement'), shut(), tell(), send('hello', 'message'));
    expect(state).toMatchObject({ messages: [{ id: 'hello' }], announcement: { id: 'soon' } });
    expect(standingNotice(state)?.kind).toBe('logoff');
    expect(given(send('soon', 'announcement')).when(send('later', 'moved')).state.announcement?.id).toBe('later');
    expect(given(send('soon', 'announcement')).when(send('soon', 'announcement')).events).toEqual([]);
  });

  it('come one after the other where not everybody has had the one that stands', () => {
    const after = (ms: number, kind: NoticeKind): GateCommand => ({
      type: 'send-message',
      notice: { id: `after-${ms}`, kind, text: '', ...about, sentAt: T0 + ms },
      apartMs: 100,
    });
    const { when } = given(send('soon', 'announcement'));
    expect(when(after(99, 'cancelled')).events).toEqual([]);
    expect(when(after(100, 'cancelled')).state.announcement?.id).toBe('after-100');
    expect(when(after(99, 'message')).state.messages?.map(({ id }) => id)).toEqual(['after-99']);
  });
});
