import { redeem, type JoinToken } from './join-token.js';

const token: JoinToken = { installation: 'berlin', host: 'srv', role: 'server', expiresAt: 100 };

describe('redeem', () => {
  it('marks the token with the key', () =>
    expect(redeem(token, 'key-a', 1)).toEqual({ ...token, redeemedBy: 'key-a' }));
  it('answers the same key again until it expires', () => {
    expect(redeem({ ...token, redeemedBy: 'key-a' }, 'key-a', 99)).toMatchObject({ redeemedBy: 'key-a' });
    expect(redeem({ ...token, redeemedBy: 'key-a' }, 'key-a', 100)).toMatchObject({ reason: 'JOIN_TOKEN_EXPIRED' });
  });
  it('refuses another key, an expired token and one that it does not know', () => {
    expect(redeem({ ...token, redeemedBy: 'key-a' }, 'key-b', 1)).toMatchObject({
      reason: 'JOIN_TOKEN_USED',
      code: 'unauthenticated',
    });
    expect(redeem(token, 'key-a', 100)).toMatchObject({ reason: 'JOIN_TOKEN_EXPIRED' });
    expect(redeem(undefined, 'key-a', 1)).toMatchObject({ reason: 'JOIN_TOKEN_UNKNOWN' });
  });
});
