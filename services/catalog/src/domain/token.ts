import { assertNever, reject, type Decider } from '@lastcall/kernel';

/*
 * The record of a credential. The credential itself is never kept. Roles of people and applications; agents sign their own.
 */

export type TokenRole = 'admin' | 'operator' | 'approver' | 'viewer' | 'client';

export interface TokenGrant {
  readonly subject: string;
  readonly role: TokenRole;
  /** Empty: all. */
  readonly installation: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

export type TokenState =
  | { readonly state: 'absent' }
  | { readonly state: 'issued'; readonly grant: TokenGrant }
  | { readonly state: 'revoked'; readonly grant: TokenGrant; readonly revokedAt: number };
export type KnownToken = Exclude<TokenState, { state: 'absent' }>;

export type TokenCommand =
  { readonly type: 'issue'; readonly grant: TokenGrant } | { readonly type: 'revoke'; readonly at: number };

export type TokenEvent =
  { readonly type: 'issued'; readonly grant: TokenGrant } | { readonly type: 'revoked'; readonly at: number };

export const tokenDecider: Decider<TokenState, TokenCommand, TokenEvent> = {
  initial: { state: 'absent' },
  decide: (state, command) => {
    switch (command.type) {
      case 'issue':
        // Importing the same record again, at every start, changes nothing; above all it un-revokes nothing.
        return state.state === 'absent' ? [{ type: 'issued', grant: command.grant }] : [];
      case 'revoke':
        if (state.state === 'absent') return reject('not-found', 'TOKEN_NOT_FOUND', 'there is no such token');
        return state.state === 'issued' ? [{ type: 'revoked', at: command.at }] : [];
      default:
        return assertNever(command);
    }
  },
  evolve: (state, event) => {
    switch (event.type) {
      case 'issued':
        return { state: 'issued', grant: event.grant };
      case 'revoked':
        return state.state === 'issued' ? { state: 'revoked', grant: state.grant, revokedAt: event.at } : state;
      default:
        return assertNever(event);
    }
  },
};
