import { isRejected } from '@lastcall/kernel';
import { tokenDecider, type TokenCommand, type TokenEvent, type TokenGrant } from './token.js';

const grant: TokenGrant = { subject: 'anna', role: 'operator', installation: '', createdAt: 1, expiresAt: 9 };
const issue: TokenCommand = { type: 'issue', grant };
const revoke: TokenCommand = { type: 'revoke', at: 5 };
const issued: TokenEvent = { type: 'issued', grant };
const revoked: TokenEvent = { type: 'revoked', at: 5 };

describe('token', () => {
  it.each<[string, TokenEvent[], TokenCommand, unknown]>([
    ['is recorded', [], issue, [issued]],
    ['once', [issued], issue, []],
    ['is revoked', [issued], revoke, [revoked]],
    ['once', [issued, revoked], revoke, []],
    ['stays revoked when its record is imported again', [issued, revoked], issue, []],
    ['cannot be revoked when unknown', [], revoke, 'TOKEN_NOT_FOUND'],
  ])('%s', (_, events, command, expected) => {
    const state = events.reduce((s, event) => tokenDecider.evolve(s, event), tokenDecider.initial);
    const decided = tokenDecider.decide(state, command);
    expect(isRejected(decided) ? decided.reason : decided).toEqual(expected);
  });
});
