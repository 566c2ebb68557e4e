import { isRejected, type Rejected } from '@lastcall/kernel';
import { PERMISSIONS, type Principal } from '@lastcall/contracts';
import type { Authenticator, Caller } from './authenticator.js';
import { authorise } from './authorise.js';

/** Who calls, if they may. The one door of gRPC and HTTP. */
export async function admit(
  authenticator: Authenticator,
  method: string,
  caller: Caller,
  request: unknown,
): Promise<{ principal: Principal | undefined } | Rejected> {
  if (PERMISSIONS.get(method)?.scope === 'public') return { principal: undefined };
  const principal = await authenticator.authenticate(caller);
  if (isRejected(principal)) return principal;
  return authorise(method, principal, request) ?? { principal };
}
