import { isRejected } from '@lastcall/kernel';
import { array, assert, constantFrom, integer, oneof, property, record, type Arbitrary } from 'fast-check';
import {
  approvalDecider,
  isSamePerson,
  type ApprovalCommand,
  type ApprovalEvent,
  type ApprovalState,
} from './approval.js';

/* Any commands of any people in any order, at any time. */

const EXPIRES_AT = 50;
const people = ['anna', 'Anna', 'oidc:anna', 'ben', 'carl', 'service:session', ''];
const at = integer({ min: 0, max: 100 });
const type = <T extends ApprovalCommand['type']>(name: T): Arbitrary<T> => constantFrom(name);

const ask = constantFrom('anna', 'ben').map((requestedBy): ApprovalCommand => {
  const what = {
    role: 'operator' as const,
    installation: 'i',
    action: 'gate',
    method: '/x/Y',
    request: requestedBy,
    shown: '',
    reason: '',
  };
  return { type: 'ask', ask: { ...what, requestedBy, askedAt: 0, expiresAt: EXPIRES_AT } };
});
const commandOf = (by: readonly string[]): Arbitrary<ApprovalCommand> =>
  oneof(
    ask,
    record({ type: type('grant'), by: constantFrom(...by), at }),
    record({ type: type('refuse'), by: constantFrom(...by), why: constantFrom('no'), at }),
    constantFrom<ApprovalCommand>({ type: 'finish' }, { type: 'finish', why: 'x' }),
  );

/** The events of the commands that were not refused. */
function play(commands: readonly ApprovalCommand[]): {
  readonly state: ApprovalState;
  readonly events: ApprovalEvent[];
} {
  const events: ApprovalEvent[] = [];
  const state = commands.reduce<ApprovalState>((before, command) => {
    const decided = approvalDecider.decide(before, command);
    if (isRejected(decided)) return before;
    events.push(...decided);
    return decided.reduce((s, event) => approvalDecider.evolve(s, event), before);
  }, approvalDecider.initial);
  return { state, events };
}

describe('whatever anybody does', () => {
  it('an action begins once at most, in time, by somebody who has not asked for it and is a person', () => {
    const holds = property(array(commandOf(people), { maxLength: 30 }), (commands) => {
      const { events } = play(commands);
      const asked = events.filter((e) => e.type === 'asked');
      const begun = events.filter((e) => e.type === 'granted');
      const rightly = begun.every((grant) => {
        const by = grant.by;
        const isAnother = asked.every((a) => !isSamePerson(a.ask.requestedBy, by));
        return isAnother && grant.at < EXPIRES_AT && by !== '' && !by.startsWith('service:');
      });
      return rightly && begun.length <= 1 && asked.length <= 1;
    });
    assert(holds, { numRuns: 2_000 });
  });

  it('one person alone begins nothing, under none of their names', () => {
    const alone = ['anna', 'ANNA', ' anna', 'oidc:anna'];
    const asks = {
      type: 'ask',
      ask: { ...{ installation: 'i', action: 'gate', method: '/x/Y', request: '', shown: '' } },
    };
    const first = {
      ...asks,
      ask: { ...asks.ask, reason: '', role: 'operator', requestedBy: 'anna', askedAt: 0, expiresAt: EXPIRES_AT },
    };
    const holds = property(array(commandOf(alone), { maxLength: 30 }), (commands) => {
      const { state, events } = play([first as ApprovalCommand, ...commands]);
      return !events.some((e) => e.type === 'granted') && (state.state === 'waiting' || state.state === 'refused');
    });
    assert(holds, { numRuns: 2_000 });
  });

  it('what has ended stays as it ended', () => {
    const holds = property(array(commandOf(people)), array(commandOf(people)), (before, after) => {
      const { state } = play(before);
      const isOver = state.state === 'carried-out' || state.state === 'failed' || state.state === 'refused';
      return !isOver || JSON.stringify(play([...before, ...after]).state) === JSON.stringify(state);
    });
    assert(holds, { numRuns: 1_000 });
  });
});
