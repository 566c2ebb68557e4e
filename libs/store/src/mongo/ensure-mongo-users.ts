import { Fault, reject, RejectedError } from '@lastcall/kernel';
import { MongoClient, MongoServerError, type Db, type Document } from 'mongodb';
import type { DatabaseUser, EnsuredUser, EnsureUsersOptions } from '../database-users-options.js';
import { isContention, toFault } from './mongo-faults.js';

/* All users are in `admin`, which is where a client looks for them (`authSource=admin`). */

const SERVER_WAIT_MS = 60_000;
/** Others change the same user at this moment. */
const ATTEMPTS = 10;

/** https://www.mongodb.com/docs/manual/reference/error-codes/ */
const UNAUTHORIZED = 13;
const AUTHENTICATION_FAILED = 18;
const USER_EXISTS = 51_003;
/** What the stand-in on PostgreSQL says of it. */
const STAND_IN_EXISTS = /^role "[^"]*" already exists$|pg_authid_rolname_index/;

export async function ensureMongoUsers({ adminUrl, users, dryRun }: EnsureUsersOptions): Promise<EnsuredUser[]> {
  const client = openClient(adminUrl);
  try {
    const ensured: EnsuredUser[] = [];
    for (const user of users)
      ensured.push({ name: user.name, state: await ensureUser(client, adminUrl, user, dryRun) });
    return ensured;
  } finally {
    await client.close().catch(() => undefined); // What was done is done.
  }
}

function openClient(url: string): MongoClient {
  try {
    return new MongoClient(url, { appName: 'lastcall-users', serverSelectionTimeoutMS: SERVER_WAIT_MS });
  } catch {
    // What the driver says may have the password in it.
    throw new Fault(
      'the address of the MongoDB administrator is none; it must be mongodb://user:password@host:27017/?authSource=admin',
    );
  }
}

async function ensureUser(
  client: MongoClient,
  adminUrl: string,
  user: DatabaseUser,
  dryRun: boolean,
): Promise<EnsuredUser['state']> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ensureOnce(client.db('admin'), adminUrl, user, dryRun);
    } catch (error) {
      if (attempt === ATTEMPTS || !isContention(error)) throw explained(`user ${user.name}`, error);
    }
  }
}

async function ensureOnce(
  admin: Db,
  adminUrl: string,
  user: DatabaseUser,
  dryRun: boolean,
): Promise<EnsuredUser['state']> {
  const present = await find(admin, user.name);
  if (present === undefined) {
    if (dryRun || (await create(admin, user))) return 'created';
  } else if (hasRole(present, user) && (await canLogIn(adminUrl, user))) {
    return 'unchanged';
  }
  if (!dryRun) await update(admin, user);
  return 'updated';
}

const rolesOf = ({ database }: DatabaseUser) => [{ role: 'readWrite', db: database }];

async function find(admin: Db, name: string): Promise<Document | undefined> {
  const { users = [] } = (await admin.command({ usersInfo: { user: name, db: 'admin' } })) as { users?: Document[] };
  return users[0];
}

/** False: somebody else has done it meanwhile. */
async function create(admin: Db, user: DatabaseUser): Promise<boolean> {
  try {
    await admin.command({
      createUser: user.name,
      pwd: user.password,
      roles: rolesOf(user),
      writeConcern: { w: 'majority' },
    });
    return true;
  } catch (error) {
    if (exists(error)) return false;
    throw error;
  }
}

async function update(admin: Db, user: DatabaseUser): Promise<void> {
  const change = { updateUser: user.name, pwd: user.password, writeConcern: { w: 'majority' } };
  try {
    await admin.command({ ...change, roles: rolesOf(user) });
  } catch (error) {
    // The stand-in keeps no roles of a database and changes none; the password is all that it has.
    if (!(error instanceof MongoServerError) || !/role updates are currently unsupported/i.test(error.message))
      throw error;
    await admin.command(change);
  }
}

function exists(error: unknown): boolean {
  if (!(error instanceof MongoServerError)) return false;
  return error.code === USER_EXISTS || STAND_IN_EXISTS.test(error.message);
}

/** Exactly the one role. */
function hasRole(present: Document, { database }: DatabaseUser): boolean {
  const roles = (present['roles'] ?? []) as readonly { readonly role: string; readonly db: string }[];
  return roles.length === 1 && roles.every(({ role, db }) => role === 'readWrite' && db === database);
}

/** Nobody can read a password back: whether it is the one is seen by using it. */
async function canLogIn(adminUrl: string, { name, password }: DatabaseUser): Promise<boolean> {
  const client = new MongoClient(adminUrl, {
    auth: { username: name, password },
    authMechanism: 'DEFAULT',
    authSource: 'admin',
    serverSelectionTimeoutMS: SERVER_WAIT_MS,
  });
  try {
    await client.db('admin').command({ ping: 1 });
    return true;
  } catch (error) {
    if (error instanceof MongoServerError && error.code === AUTHENTICATION_FAILED) return false;
    throw error;
  } finally {
    await client.close().catch(() => undefined); // It is only asked.
  }
}

function explained(what: string, error: unknown): Error {
  if (error instanceof MongoServerError && [UNAUTHORIZED, AUTHENTICATION_FAILED].includes(Number(error.code))) {
    const message = `MongoDB: ${what}: the administrator of the URL may not (${error.message}); it needs the role userAdmin of admin`;
    return new RejectedError(reject('not-permitted', 'MONGODB_ADMINISTRATOR', message));
  }
  return toFault(what, error);
}
