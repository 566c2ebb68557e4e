import { HOUR_MS, MINUTE_MS, orThrow } from '@lastcall/kernel';
import {
  DEADLINE,
  end,
  expire,
  fail,
  given,
  GRACE,
  openByHand,
  prove,
  shut,
  spec,
  T0,
  tell,
  types,
} from '../testing/gate-commands.js';
import { gateDueAt } from './expiry.js';
import { gate } from './gate.js';
import type { GateCommand } from './gate-messages.js';
import { standingNotice, type GateState, type HoldDecision } from './gate-state.js';
import { decisionFor, decisionOn, waitingHold } from './hold-decisions.js';
import { DEFAULT_POLICY, type HoldPolicy } from './installation.js';

const held = spec('r1', 1, { holdsAllowed: true, deadlineAt: T0 + 24 * HOUR_MS });
const way = [shut(held), tell()];

function hold(durationMs = HOUR_MS, session = 's1', at = T0 + 1, limits: Partial<HoldPolicy> = {}): GateCommand {
  const policy = { ...DEFAULT_POLICY.holds, ...limits };
  const who = { session, user: 'ann', reason: 'One more booking.' };
  return { type: 'hold', hold: `h-${session}-${at}`, ...who, durationMs, limits: policy, notice: `m-${session}`, at };
}
const approve = (id: string, at = T0 + MINUTE_MS): GateCommand => ({
  type: 'approve-hold',
  hold: id,
  by: 'otto',
  notice: `a-${id}`,
  at,
});
const release = (id: string, at: number): GateCommand => ({
  type: 'release-hold',
  hold: id,
  reason: 'It cannot wait.',
  notice: 'back',
  at,
});
const drop = (session: string, at: number): GateCommand => ({ type: 'drop-hold', session, notice: 'dropped', at });
const deadline = (state: GateState) => standingNotice(state)?.deadlineAt;
const holds = (state: GateState) => (state.phase === 'closing' ? state.holds : []);

describe('a hold', () => {
  it('is refused when the job does not allow it, and without a logoff', () => {
    expect(given(shut(), tell()).when(hold())).toMatchObject({ refused: { reason: 'HOLDS_NOT_ALLOWED' } });
    expect(given().when(hold())).toMatchObject({ refused: { reason: 'NO_LOGOFF_PLANNED' } });
  });

  it('moves the deadline under a new notice that says why', () => {
    const { state, events } = given(...way).when(hold());
    expect(types(events)).toEqual(['hold-granted', 'deadline-moved']);
    expect(standingNotice(state)).toMatchObject({
      id: 'm-s1',
      kind: 'deadline-moved',
      text: '',
      reason: 'One more booking.',
      deadlineAt: T0 + 1 + HOUR_MS,
    });
    expect(given(...way, hold()).when(end(DEADLINE)).events).toEqual([]);
  });

  it('is never longer than the installation allows, and never moves the logoff further than it allows', () => {
    const limits = { longestMs: 20 * MINUTE_MS, maxTotalDelayMs: 30 * MINUTE_MS };
    const once = given(...way, hold(4 * HOUR_MS, 's1', T0 + 1, limits));
    expect(deadline(once.state)).toBe(T0 + 1 + 20 * MINUTE_MS);
    const twice = given(
      ...way,
      hold(4 * HOUR_MS, 's1', T0 + 1, limits),
      hold(HOUR_MS, 's2', T0 + 18 * MINUTE_MS, limits),
    );
    expect(deadline(twice.state)).toBe(DEADLINE + 30 * MINUTE_MS);
    expect(twice.when(hold(HOUR_MS, 's3', T0 + 20 * MINUTE_MS, limits))).toMatchObject({
      refused: { reason: 'HOLD_AT_LIMIT' },
    });
    expect(twice.when(hold(MINUTE_MS, 's3', T0 + 20 * MINUTE_MS))).toMatchObject({
      refused: { reason: 'HOLD_TOO_SHORT' },
    });
  });

  it('is one of so many', () => {
    const two = { maxCount: 2 };
    const full = given(...way, hold(HOUR_MS, 's1', T0 + 1, two), hold(2 * HOUR_MS, 's2', T0 + 2, two));
    expect(full.when(hold(3 * HOUR_MS, 's3', T0 + 3, two))).toMatchObject({
      refused: { reason: 'TOO_MANY_HOLDS', facts: { max: '2' } },
    });
    // One that was ended has been one of them too.
    const ended = given(...way, hold(HOUR_MS, 's1', T0 + 1, two), drop('s1', T0 + 2), hold(HOUR_MS, 's2', T0 + 3, two));
    expect(ended.when(hold(2 * HOUR_MS, 's1', T0 + 4, two))).toMatchObject({ refused: { reason: 'TOO_MANY_HOLDS' } });
  });

  it('is counted in what is said of the drain', () => {
    const { state } = given(...way, hold(), hold(2 * HOUR_MS, 's2', T0 + 2));
    expect(given(...way, hold(), hold(2 * HOUR_MS, 's2', T0 + 2)).when(prove(0, T0 + 3)).events).toMatchObject([
      { type: 'drained', holds: 2 },
    ]);
    expect(holds(state)).toHaveLength(2);
  });

  it('gives back the reaction time when it is released', () => {
    const { state } = given(...way, hold()).when(release(`h-s1-${T0 + 1}`, T0 + 30 * MINUTE_MS));
    expect(standingNotice(state)).toMatchObject({
      id: 'back',
      deadlineAt: T0 + 35 * MINUTE_MS,
      reason: 'It cannot wait.',
    });
    expect(given(...way).when(release('h-x', T0))).toMatchObject({ refused: { code: 'not-found' } });
  });

  it('ends with its owner’s session, and only that one’s', () => {
    const both = [...way, hold(HOUR_MS, 's1'), hold(2 * HOUR_MS, 's2', T0 + 2)];
    const { state } = given(...both).when(drop('s2', T0 + MINUTE_MS));
    expect(deadline(state)).toBe(T0 + 1 + HOUR_MS);
    expect(holds(state).map(({ session }) => session)).toEqual(['s1']);
    expect(given(...both).when(drop('s9', T0 + MINUTE_MS)).events).toEqual([]);
    expect(given().when(drop('s1', T0)).events).toEqual([]);
  });

  it('ends by itself', () => {
    const both = [...way, hold(HOUR_MS, 's1'), hold(2 * HOUR_MS, 's2', T0 + 2)];
    expect(gateDueAt(given(...both).state, GRACE)).toBe(T0 + 1 + HOUR_MS);
    const { state, events } = given(...both).when(expire(T0 + 1 + HOUR_MS));
    expect(events).toEqual([{ type: 'hold-released', hold: `h-s1-${T0 + 1}` }]);
    expect(deadline(state)).toBe(T0 + 2 + 2 * HOUR_MS);
    expect(types(given(...both).when(end(T0 + 2 + 2 * HOUR_MS)).events)).toEqual(['ending-begun']);
  });
});

describe('a hold that a second person has to agree to', () => {
  const two = { needsApproval: true };
  const id = `h-s1-${T0 + 1}`;
  const asked = [...way, hold(HOUR_MS, 's1', T0 + 1, two)];

  it('moves nothing until then', () => {
    const { state, events } = given(...way).when(hold(HOUR_MS, 's1', T0 + 1, two));
    expect(types(events)).toEqual(['hold-asked']);
    expect(holds(state)).toMatchObject([{ id, awaitsApproval: true, approvedBy: '' }]);
    expect(deadline(state)).toBe(DEADLINE);
    expect(types(given(...asked).when(end()).events)).toEqual(['ending-begun']);
  });

  it('counts with the agreement, which is given once', () => {
    const { state, events } = given(...asked).when(approve(id));
    expect(types(events)).toEqual(['hold-granted', 'deadline-moved']);
    expect(holds(state)).toMatchObject([{ id, awaitsApproval: false, approvedBy: 'otto' }]);
    expect(deadline(state)).toBe(T0 + 1 + HOUR_MS);
    expect(given(...asked, approve(id)).when(approve(id)).events).toEqual([]);
  });

  it('does not pull the deadline back when somebody else has moved it further', () => {
    const { state, events } = given(...asked, hold(3 * HOUR_MS, 's2', T0 + 2)).when(approve(id));
    expect(types(events)).toEqual(['hold-granted']);
    expect(deadline(state)).toBe(T0 + 2 + 3 * HOUR_MS);
  });

  it('cannot be agreed to when it is over, was released, or the logoff has begun', () => {
    const further = [...asked, hold(3 * HOUR_MS, 's2', T0 + 2)];
    expect(given(...further).when(approve(id, T0 + 2 * HOUR_MS))).toMatchObject({ refused: { reason: 'HOLD_OVER' } });
    expect(given(...asked, release(id, T0 + 2)).when(approve(id))).toMatchObject({ refused: { code: 'not-found' } });
    expect(given(...asked, end()).when(approve(id))).toMatchObject({ refused: { code: 'not-found' } });
    expect(given(...further, expire(T0 + 1 + HOUR_MS)).when(approve(id)).events).toEqual([]);
  });

  it('leaves what its owner was granted before', () => {
    const more = [...way, hold(HOUR_MS, 's1', T0 + 1), hold(2 * HOUR_MS, 's1', T0 + 2, two)];
    expect(holds(given(...more).state)).toHaveLength(2);
    expect(deadline(given(...more).state)).toBe(T0 + 1 + HOUR_MS);
    expect(holds(given(...more, approve(`h-s1-${T0 + 2}`)).state)).toMatchObject([{ expiresAt: T0 + 2 + 2 * HOUR_MS }]);
  });

  it('moves nothing when it is released unanswered', () =>
    expect(types(given(...asked).when(release(id, T0 + 2)).events)).toEqual(['hold-released']));
});

describe('what became of a hold', () => {
  const two = { needsApproval: true };
  const id = `h-s1-${T0 + 1}`;
  const asked = [...way, hold(HOUR_MS, 's1', T0 + 1, two)];
  const decided = (...commands: readonly GateCommand[]) => decisionFor(given(...commands).state, 's1');

  it.each<[string, readonly GateCommand[], Partial<HoldDecision> | undefined]>([
    ['not yet', [], undefined],
    ['the second person agrees', [approve(id)], { outcome: 'moved', expiresAt: T0 + 1 + HOUR_MS }],
    ['the second person does not', [release(id, T0 + 2)], { outcome: 'denied' }],
    ['nobody says anything until the logoff', [end()], { outcome: 'denied' }],
    ['it ends by itself', [hold(3 * HOUR_MS, 's2', T0 + 2), expire(T0 + 1 + HOUR_MS)], { outcome: 'denied' }],
    ['the run is cancelled', [fail('cancel', held)], { outcome: 'postponed' }],
    ['it is opened by hand', [openByHand], { outcome: 'postponed' }],
  ])('is kept for an owner who was away: %s', (_, commands, outcome) => {
    const expected = outcome && { hold: id, session: 's1', ...outcome };
    expect(decided(...asked, ...commands)).toEqual(expected);
    expect(decisionOn(given(...asked, ...commands).state, id)).toEqual(expected);
    expect(waitingHold(given(...asked, ...commands).state, 's1')?.id).toBe(outcome ? undefined : id);
  });

  it('is what was granted at once too, and nothing of a hold that its owner has asked for anew', () => {
    expect(decided(...way, hold())).toMatchObject({ outcome: 'moved' });
    expect(decided(...asked, hold(2 * HOUR_MS, 's1', T0 + 2, two))).toBeUndefined();
  });

  it('is forgotten with the next logoff', () => {
    const next = spec('r2', 2, { holdsAllowed: true });
    expect(given(...asked, release(id, T0 + 2), fail('cancel', held), shut(next)).state).not.toHaveProperty(
      'holdDecisions',
    );
  });
});

describe('a run that does not fit its window any more', () => {
  const tight = spec('r1', 1, { holdsAllowed: true, deadlineAt: T0 + 2 * HOUR_MS });
  const postponed = ['drain-failed', 'answered', 'reopened', 'message-sent'];
  const roll: GateCommand = { type: 'learn-version', version: '11.0.0' };

  it('is postponed, with a notice, never squeezed', () => {
    const { state, events } = given(roll, shut(tight), tell()).when(hold(2 * HOUR_MS));
    expect(types(events)).toEqual(postponed);
    expect(events[1]).toMatchObject({
      answer: { outcome: 'postponed', failure: { reason: 'POSTPONED_BY_HOLDS', facts: { user: 'ann' } } },
    });
    expect(state).toMatchObject({ phase: 'open', version: '11.0.0' });
    expect(state.announcement).toMatchObject({ kind: 'postponed', version: '11.1.0', reason: 'One more booking.' });
    expect(state.withdrawn?.words).toEqual({ phrase: 'run-postponed' });
  });

  it('counts how long the rest usually takes', () => {
    const shutTimesMs = [20 * MINUTE_MS, 45 * MINUTE_MS, 30 * MINUTE_MS];
    const state = { ...given(shut(tight), tell()).state, shutTimesMs };
    const ask = (durationMs: number) => types(orThrow(gate.decide(state, hold(durationMs))));
    expect(ask(89 * MINUTE_MS)).toEqual(['hold-granted', 'deadline-moved']);
    expect(ask(91 * MINUTE_MS)).toEqual(postponed);
  });

  it('is postponed by the agreement, not by the asking', () => {
    const asked = [shut(tight), tell(), hold(2 * HOUR_MS, 's1', T0 + 1, { needsApproval: true })];
    expect(given(...asked).state.phase).toBe('closing');
    expect(types(given(...asked).when(approve(`h-s1-${T0 + 1}`)).events)).toEqual(postponed);
  });

  it('does not shut the gate again', () =>
    expect(given(shut(tight), tell(), hold(2 * HOUR_MS)).when(shut(tight)).events).toEqual([]));
});
