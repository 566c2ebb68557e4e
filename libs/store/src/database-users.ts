/* Users of the services on MongoDB: each may read and write its own database and nothing else. */

export interface DatabaseUser {
  readonly name: string;
  readonly password: string;
  /** The only one that it may use. */
  readonly database: string;
}

export interface EnsuredUser {
  readonly name: string;
  readonly state: 'created' | 'updated' | 'unchanged';
}

export interface EnsureUsersOptions {
  /** `mongodb://` of a user who may create users (role userAdmin of `admin`). */
  readonly adminUrl: string;
  readonly users: readonly DatabaseUser[];
  /** Only says what would be done. */
  readonly dryRun: boolean;
}

/**
 * Creates users and brings those that are there to their password and role. Can be repeated, and done by several at once. Waits a minute
 * for the server; throws a Fault when it does not answer, and a RejectedError when the administrator may not. Secrets are in neither.
 */
export async function ensureUsers(options: EnsureUsersOptions): Promise<readonly EnsuredUser[]> {
  // The driver is loaded only where it is used.
  const { ensureMongoUsers } = await import('./mongo/ensure-mongo-users.js');
  return ensureMongoUsers(options);
}
