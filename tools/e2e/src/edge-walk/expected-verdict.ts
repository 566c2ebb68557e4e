import type { Permission, RoleName } from '@lastcall/contracts';

/*
 * What must come out, worked out from the permission table alone and written a second time on purpose: it shares no code with
 * what the servers do.
 */

export type Verdict = 'let in' | 'denied' | 'unauthenticated';

export interface Caller {
  readonly role: RoleName;
  /** Installation that the credential is bound to; undefined: none. */
  readonly bound?: string | undefined;
}

/** `caller` undefined: without a credential, or with one that is not good. `about`: the installation that the request names. */
export function expectedVerdict(
  permission: Permission | undefined,
  caller: Caller | undefined,
  about: string | undefined,
): Verdict {
  if (permission?.scope === 'public') return 'let in';
  if (!caller) return 'unauthenticated';
  if (!permission || !permission.roles.includes(caller.role)) return 'denied';
  if (caller.bound === undefined) return 'let in';
  const reaches = { any: true, global: false, installation: caller.bound === about, stream: caller.bound === about };
  return reaches[permission.scope] ? 'let in' : 'denied';
}
