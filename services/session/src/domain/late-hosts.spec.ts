import { CONFIRMED, given, openByHand, shut, spec, tell, types, update } from '../testing/gate-commands.js';
import { refusalFor } from './admission.js';
import type { GateCommand } from './gate-messages.js';
import { hasAlarm, lateHostsOf, shutHostsOf, type GateState } from './gate-state.js';

/* Hosts that have another version than their installation: nobody is let in there before they have caught up and settled. */

const RUN = spec('r1', 1, { hosts: [{ host: 'srv', role: 'server', mayFollowLater: false }] });
const updated: readonly GateCommand[] = [...CONFIRMED, update(RUN, ['desk'])];
const begun: GateCommand = { type: 'note-late', run: RUN, host: 'desk', why: '', givenUp: false };
const failed: GateCommand = { ...begun, why: 'health lost' };
const givenUp: GateCommand = { ...failed, givenUp: true };
const done: GateCommand = { type: 'catch-up', run: RUN, host: 'desk' };
const refusal = (gate: GateState, version = RUN.toVersion, host = 'desk') => refusalFor(gate, { host, version });

describe('a late host', () => {
  it('given an update without it, then nobody gets in there, with the new version neither, and elsewhere everybody', () => {
    const { state } = given(...updated);
    expect(state.phase).toBe('open');
    expect(refusal(state)).toMatchObject({ reason: 'host-shut', words: { phrase: 'host-late', host: 'desk' } });
    expect(refusal(state, '11.0.0')).toMatchObject({
      reason: 'wrong-version',
      words: [{ phrase: 'wrong-version' }, { phrase: 'host-late' }],
    });
    expect(refusal(state, RUN.toVersion, 'ws')).toBeUndefined();
    expect([hasAlarm(state), shutHostsOf(state)]).toEqual([false, {}]);
  });

  it('given that it has caught up, then it is open', () => {
    const { state } = given(...updated, begun, done);
    expect(refusal(state)).toBeUndefined();
    expect(state.late).toBeUndefined();
  });

  it('given that it fell back, then users and operators are told why, until it has proven itself', () => {
    const { state } = given(...updated, begun, failed);
    expect(refusal(state)).toMatchObject({ words: { phrase: 'host-late-failed', host: 'desk' } });
    expect(lateHostsOf(state)['desk']).toContain('health lost');
    expect(hasAlarm(state)).toBe(false);
    expect(given(...updated, begun, failed, begun).state).toEqual(state);
  });

  it('given that it was given up, then there is an alarm that names the command, until it is tried anew', () => {
    const { state } = given(...updated, begun, givenUp);
    expect(hasAlarm(state)).toBe(true);
    expect(lateHostsOf(state)['desk']).toContain('lastcall host release-quarantine desk');
    expect(refusal(state)).toMatchObject({ words: { phrase: 'host-late-given-up' } });
    expect(hasAlarm(given(...updated, begun, givenUp, begun).state)).toBe(false);
  });

  it('given a host that was put back by hand, when it catches up, then it is shut too', () => {
    const { state } = given(...CONFIRMED, update(RUN), begun);
    expect(refusal(state)).toMatchObject({ reason: 'host-shut' });
  });

  it('given a newer update, then its word counts, and old news does not', () => {
    const next = spec('r2', 2, { fromVersion: RUN.toVersion, toVersion: '11.2.0' });
    const newer = [...updated, failed, shut(next), tell(), update(next)];
    expect(given(...newer).state.late).toBeUndefined();
    expect(given(...newer).when(givenUp).events).toEqual([]);
    expect(types(given(...updated).when(done).events)).toEqual(['late-noted']);
  });

  it('given that a person opens the gate, then it stays shut', () =>
    expect(refusal(given(...updated, failed, openByHand).state)).toMatchObject({ reason: 'host-shut' }));
});
