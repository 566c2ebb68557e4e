import { isRejected } from '@lastcall/kernel';
import {
  approvalDecider,
  isSamePerson,
  type ApprovalCommand,
  type ApprovalEvent,
  type ApprovalState,
  type Ask,
} from './approval.js';

const ask: Ask = {
  ...{
    installation: 'berlin',
    action: 'gate',
    method: '/x/OpenGate',
    request: 'AAAA',
    shown: '{}',
    reason: 'Because.',
  },
  ...{ requestedBy: 'anna', role: 'operator', askedAt: 0, expiresAt: 100 },
};
const asked: ApprovalEvent = { type: 'asked', ask };
const granted: ApprovalEvent = { type: 'granted', by: 'ben', at: 5 };
const refused: ApprovalEvent = { type: 'refused', by: 'ben', why: 'No.', at: 5 };
const finished: ApprovalEvent = { type: 'finished' };
const grant = (by: string, at = 5): ApprovalCommand => ({ type: 'grant', by, at });
const refuse = (by: string, at = 5): ApprovalCommand => ({ type: 'refuse', by, why: 'No.', at });

function given(...events: ApprovalEvent[]): ApprovalState {
  return events.reduce((state, event) => approvalDecider.evolve(state, event), approvalDecider.initial);
}

describe('an action that needs two', () => {
  it.each<[string, ApprovalEvent[], ApprovalCommand, unknown]>([
    ['waits', [], { type: 'ask', ask }, [asked]],
    ['waits once', [asked], { type: 'ask', ask: { ...ask, requestedBy: 'ben' } }, []],
    ['is agreed to by another person', [asked], grant('ben'), [granted]],
    ['is not agreed to by whoever asked', [asked], grant('anna'), 'SAME_PERSON'],
    ['nor by them under a name that looks like it', [asked], grant('Anna '), 'SAME_PERSON'],
    ['nor by them when they have signed in', [asked], grant('oidc:anna'), 'SAME_PERSON'],
    ['nor by a service', [asked], grant('service:scheduler'), 'NOT_A_PERSON'],
    ['nor by nobody', [asked], grant(''), 'NOT_A_PERSON'],
    ['nor at its end', [asked], grant('ben', 100), 'APPROVAL_EXPIRED'],
    ['nor a second time', [asked, granted], grant('carl'), 'NOT_WAITING'],
    ['nor after it was done', [asked, granted, finished], grant('carl'), 'NOT_WAITING'],
    ['nor after somebody said no', [asked, refused], grant('carl'), 'NOT_WAITING'],
    ['nor when nobody has asked', [], grant('ben'), 'NOT_FOUND'],
    ['is refused', [asked], refuse('ben'), [refused]],
    ['is taken back by whoever asked', [asked], refuse('anna'), [{ ...refused, by: 'anna' }]],
    ['is not refused when it has begun', [asked, granted], refuse('ben'), 'NOT_WAITING'],
    ['nor when it is over', [asked], refuse('ben', 100), 'APPROVAL_EXPIRED'],
    ['ends once it was agreed to', [asked, granted], { type: 'finish' }, [finished]],
    ['ends with what went wrong', [asked, granted], { type: 'finish', why: 'x' }, [{ type: 'finished', why: 'x' }]],
    ['does not end before', [asked], { type: 'finish' }, 'NOT_GRANTED'],
    ['nor twice', [asked, granted, finished], { type: 'finish' }, 'NOT_GRANTED'],
  ])('%s', (_, events, command, expected) => {
    const decided = approvalDecider.decide(given(...events), command);
    expect(isRejected(decided) ? decided.reason : decided).toEqual(expected);
  });

  it('keeps what was asked for, and both names', () => {
    expect(given(asked, granted, finished)).toEqual({ state: 'carried-out', ask, by: 'ben', at: 5 });
    expect(given(asked, granted, { type: 'finished', why: 'x' })).toMatchObject({
      state: 'failed',
      by: 'ben',
      why: 'x',
    });
  });
});

it.each([
  ['anna', 'anna', true],
  ['anna', 'ANNA', true],
  ['oidc:anna', 'anna', true],
  ['ａnna', 'anna', true],
  ['anna', 'ann', false],
  ['oidc:1', 'oidc:2', false],
])('%s and %s are one person: %s', (one, other, same) => expect(isSamePerson(one, other)).toBe(same));
