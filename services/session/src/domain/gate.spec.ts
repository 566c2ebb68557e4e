import { failure, HOUR_MS, isRejected, MINUTE_MS, run as runDecider, SECOND_MS, type RunSpec } from '@lastcall/kernel';
import { gate, gateDueAt } from './gate.js';
import {
  hasAlarm,
  shutHostsOf,
  standingNotice,
  type GateCommand,
  type GateEvent,
  type GateState,
} from './gate-state.js';

const T0 = 1_000_000;
const GRACE = 10 * MINUTE_MS;
const WHY = failure('BROKEN', 'It broke.');

function spec(run = 'r1', fence = 1, more: Partial<RunSpec> = {}): RunSpec {
  return {
    run,
    installation: 'encore-berlin',
    job: 'update',
    type: 'software-update',
    kind: 'multi-user',
    product: 'encore',
    fromVersion: '11.0.0',
    toVersion: '11.1.0',
    hosts: [
      { host: 'srv', role: 'server', mayFollowLater: false },
      { host: 'ts1', role: 'terminal-server', mayFollowLater: false },
      { host: 'ws1', role: 'workstation', mayFollowLater: true },
    ],
    reactionTimeMs: 5 * MINUTE_MS,
    message: '',
    backupMode: 'take',
    backupMaxAgeMs: 48 * HOUR_MS,
    fence,
    nominalAt: T0,
    startedAt: T0,
    deadlineAt: T0 + 2 * HOUR_MS,
    requestedBy: 'operator',
    timeZone: 'Europe/Berlin',
    holdsAllowed: false,
    ...more,
  };
}

/** Folds commands; the last one's events, or its refusal. */
function given(...commands: readonly GateCommand[]) {
  let state: GateState = gate.initial;
  for (const command of commands) {
    const decision = runDecider(gate, state, command);
    if (!isRejected(decision)) state = decision.state;
  }
  return {
    state,
    when: (command: GateCommand) => {
      const decision = runDecider(gate, state, command);
      return isRejected(decision) ? { refused: decision, state, events: [] as readonly GateEvent[] } : decision;
    },
  };
}

const types = (events: readonly GateEvent[]) => events.map(({ type }) => type);
const counts = { acknowledged: 3, left: 1, ended: 2 };
const shut = (run = spec(), at = T0): GateCommand => ({ type: 'shut', run, at });
const tell = (at = T0, sessions = 4): GateCommand => ({ type: 'tell', notice: `n${at}`, sessions, at });
const DEADLINE = T0 + 5 * MINUTE_MS;
const end = (at = DEADLINE): GateCommand => ({ type: 'end', at, giveUpAt: at + MINUTE_MS });
const prove = (sessions = 0, at = DEADLINE, epoch = 1): GateCommand => ({ type: 'prove', epoch, sessions, counts, at });
const backup = (run = 'r1', at = DEADLINE): GateCommand => ({ type: 'note-backup', run, at, giveUpAt: at + MINUTE_MS });
const fail = (after: 'preflight' | 'staging' | 'backup' | 'cancel', run = spec(), at = T0): GateCommand => ({
  type: 'fail',
  run,
  after,
  outcome: after === 'cancel' ? 'cancelled' : 'failed',
  failure: WHY,
  at,
});
const update = (run = spec(), absentHosts: readonly string[] = []): GateCommand => ({
  type: 'update',
  run,
  absentHosts,
  codes: { ts1: 'secret-1' },
  giveUpAt: DEADLINE + HOUR_MS,
  at: DEADLINE + MINUTE_MS,
});
const firstStart = (code = 'secret-1', version = '11.1.0', host = 'ts1'): GateCommand => ({
  type: 'prove-first-start',
  host,
  code,
  version,
  at: DEADLINE + 2 * MINUTE_MS,
});
const expire = (at: number): GateCommand => ({ type: 'expire', at, overdueGraceMs: GRACE });
const openByHand: GateCommand = { type: 'open-by-hand', who: 'otto', reason: 'now', at: T0 };
const closeByHand: GateCommand = {
  type: 'shut-by-hand',
  who: 'otto',
  reason: 'New disks.',
  reactionTimeMs: MINUTE_MS,
  at: T0,
};

const DRAINED = [shut(), tell(), end(), prove()];
const CONFIRMED = [...DRAINED, backup(), prove()];

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

  it('takes the text of the job when there is one', () =>
    expect(standingNotice(given(shut(spec('r1', 1, { message: 'Coffee!' })), tell()).state)?.text).toBe('Coffee!'));

  it('ends nobody a millisecond early', () => {
    expect(given(shut(), tell()).when(end(DEADLINE - 1)).events).toEqual([]);
    expect(types(given(shut(), tell()).when(end()).events)).toEqual(['ending-begun']);
  });

  it('waits for zero, and says how they left', () => {
    expect(given(shut(), tell(), end()).when(prove(1)).events).toEqual([]);
    expect(given(shut(), tell(), end()).when(prove(0)).events).toEqual([
      { type: 'drained', counts, told: 4, at: DEADLINE },
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
    expect(types(proven.events)).toEqual(['first-start-proven', 'answered', 'reopened']);
    expect(proven.events[1]).toMatchObject({ epoch: 1, answer: { outcome: 'succeeded' } });
    expect(shutHostsOf(proven.state)).toEqual({});
  });

  it('opens at once without terminal servers, and without those that were absent', () => {
    const alone = spec('r1', 1, { hosts: [{ host: 'srv', role: 'server', mayFollowLater: false }] });
    const way = [shut(alone), tell(), end(), prove(), backup(), prove()];
    expect(types(given(...way).when(update(alone)).events)).toContain('reopened');
    expect(types(given(...CONFIRMED).when(update(spec(), ['ts1'])).events)).toContain('reopened');
  });

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
    expect(types(late.events)).toEqual(['first-start-given-up', 'answered', 'reopened']);
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
    expect(types(failed.events)).toEqual(['first-start-given-up', 'answered', 'reopened']);
    expect(shutHostsOf(failed.state)).toEqual({ ts1: 'It broke.' });
    const done = given(...CONFIRMED, update()).when({ ...order, at: DEADLINE });
    expect(gateDueAt(done.state, GRACE)).toBe(DEADLINE + 10 * SECOND_MS);
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
    const quarantine: GateCommand = { type: 'quarantine', run: spec(), failure: WHY, at: DEADLINE };
    const { state, events } = given(...CONFIRMED).when(quarantine);
    expect(types(events)).toEqual(['answered', 'quarantined']);
    expect(hasAlarm(state)).toBe(true);
    expect(given(...CONFIRMED, quarantine).when(quarantine).events).toEqual([]);
    expect(types(given(...CONFIRMED, quarantine).when(openByHand).events)).toEqual(['opened-by-hand']);
    expect(given(...CONFIRMED, quarantine).when(shut(spec('r2', 2))).state.phase).toBe('shutting');
  });

  it('estimates the next reopening from this one', () => {
    const { state } = given(...CONFIRMED, update()).when(firstStart());
    expect(state.lastShutMs).toBe(2 * MINUTE_MS);
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
    expect(types(events)).toEqual(['alarm-raised']);
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

describe('holds', () => {
  const held = spec('r1', 1, { holdsAllowed: true });
  const hold = (durationMs = HOUR_MS, session = 's1', at = T0 + 1): GateCommand => ({
    type: 'hold',
    hold: `h-${session}`,
    session,
    user: 'ann',
    reason: 'One more booking.',
    durationMs,
    notice: `m-${session}`,
    at,
  });

  it('are refused when the job does not allow them, and without a logoff', () => {
    expect(given(shut(), tell()).when(hold())).toMatchObject({ refused: { reason: 'HOLDS_NOT_ALLOWED' } });
    expect(given().when(hold())).toMatchObject({ refused: { reason: 'NO_LOGOFF_PLANNED' } });
  });

  it('move the deadline under a new notice', () => {
    const { state, events } = given(shut(held), tell()).when(hold());
    expect(types(events)).toEqual(['hold-granted', 'deadline-moved']);
    expect(standingNotice(state)).toMatchObject({ id: 'm-s1', deadlineAt: T0 + 1 + HOUR_MS });
    expect(given(shut(held), tell(), hold()).when(end(DEADLINE)).events).toEqual([]);
  });

  it('never move it beyond the run’s deadline or four hours', () => {
    expect(standingNotice(given(shut(held), tell(), hold(4 * HOUR_MS)).state)?.deadlineAt).toBe(held.deadlineAt);
    const long = spec('r1', 1, { holdsAllowed: true, deadlineAt: T0 + 24 * HOUR_MS });
    const once = given(shut(long), tell(), hold(4 * HOUR_MS), hold(4 * HOUR_MS, 's2', T0 + HOUR_MS));
    expect(standingNotice(once.state)?.deadlineAt).toBe(DEADLINE + 4 * HOUR_MS);
    expect(once.when(hold(4 * HOUR_MS, 's3', T0 + 2 * HOUR_MS))).toMatchObject({
      refused: { reason: 'HOLD_TOO_SHORT' },
    });
  });

  it('give back the reaction time when they are released', () => {
    const release: GateCommand = { type: 'release-hold', hold: 'h-s1', notice: 'back', at: T0 + 30 * MINUTE_MS };
    const { state } = given(shut(held), tell(), hold()).when(release);
    expect(standingNotice(state)).toMatchObject({ id: 'back', deadlineAt: T0 + 35 * MINUTE_MS });
    expect(given(shut(held), tell()).when(release)).toMatchObject({ refused: { code: 'not-found' } });
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
