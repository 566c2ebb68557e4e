import { isPermitted, PERMISSIONS, type Principal } from '@lastcall/contracts';
import { invalid, reject, type Rejected } from '@lastcall/kernel';
import { installationField, requestInstallation } from './request-installation.js';

/*
 * The permission table of the contracts applied to one call. Denied is the default; a refusal says which role would do, and
 * nothing about what exists.
 */

/** Undefined: go ahead. `request` is absent for streams, whose handler asks the principal itself. */
export function authorise(method: string, principal: Principal | undefined, request: unknown): Rejected | undefined {
  const permission = PERMISSIONS.get(method);
  if (!permission) return reject('not-permitted', 'NOT_LISTED', `${method} is not open to anybody.`);
  if (permission.scope !== 'installation') return isPermitted(method, principal, undefined) ? undefined : denied();
  const named = requestInstallation(request);
  if (named.kind === 'one') return isPermitted(method, principal, named.installation) ? undefined : denied();
  // Who could not call it for any installation learns nothing about the form of requests either.
  if (!principal || !permission.roles.includes(principal.role) || principal.installation !== undefined) return denied();
  const found = named.kind === 'none' ? 'names no installation' : `names ${named.installations.join(' and ')}`;
  const description = `${found}; it must begin with installations/{installation}, the same in each field`;
  return invalid([{ field: installationField(request), description }]);

  function denied(): Rejected {
    const roles = permission?.roles.join(', ') ?? '';
    const bound = principal?.installation === undefined ? '' : `, bound to the installation ${principal.installation}`;
    const who = principal ? `"${principal.subject}" (${principal.role}${bound})` : 'A call without a credential';
    const message = `${who} may not call ${method} for this; it is open to: ${roles}.`;
    return reject('not-permitted', 'NOT_PERMITTED', message, { facts: { method, roles } });
  }
}
