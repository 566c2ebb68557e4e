import type { EnsuredUser, EnsureUsersOptions } from './database-users-options.js';

/**
 * Creates users and brings those that are there to their password and role. Can be repeated, and done by several at once. Waits a minute
 * for the server; throws a Fault when it does not answer, and a RejectedError when the administrator may not. Secrets are in neither.
 */
export async function ensureUsers(options: EnsureUsersOptions): Promise<readonly EnsuredUser[]> {
  // The driver is loaded only where it is used.
  const { ensureMongoUsers } = await import('./mongo/ensure-mongo-users.js');
  return ensureMongoUsers(options);
}
