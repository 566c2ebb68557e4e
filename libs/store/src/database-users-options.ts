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
