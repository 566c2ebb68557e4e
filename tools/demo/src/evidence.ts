import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { databaseFile, HOSTS, hostDir } from './site.js';
import type { Stage } from './stage.js';
import type { User } from './users.js';

/*
 * What is really there: links and files on the hosts, rows in Encore's database, lines in the users' logs. Nothing of it is asked from
 * Lastcall.
 */

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
}

export function check(name: string, ok: boolean, found: string): Check {
  return { name, ok, found };
}

/** Version that the host's `current` link leads to, and when it was set. */
export function currentVersion(stage: Stage, host: string): { version: string; since: number } {
  const link = join(hostDir(stage, host), 'current');
  return { version: basename(readlinkSync(link)), since: lstatSync(link).mtimeMs };
}

function filesBelow(dir: string): readonly string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .sort();
}

function digest(dir: string): string {
  const hash = createHash('sha256');
  for (const file of filesBelow(dir)) hash.update(`${file}\0`).update(readFileSync(join(dir, file)));
  return hash.digest('hex');
}

export function everyHostHas(stage: Stage, version: string, release: string): Check {
  const wrong = HOSTS.filter(({ id, role }) => {
    const built = join(release, role === 'server' ? 'server' : 'client');
    const there = join(hostDir(stage, id), 'current');
    return currentVersion(stage, id).version !== version || digest(there) !== digest(built);
  });
  const found =
    wrong.length === 0 ? `${HOSTS.length} hosts, byte for byte` : `not on ${wrong.map((h) => h.id).join(', ')}`;
  return check(`every host has ${version}`, wrong.length === 0, found);
}

export interface DataState {
  readonly schema: number;
  readonly bookings: ReadonlySet<string>;
  readonly drafts: ReadonlySet<string>;
  readonly tables: readonly string[];
}

export function readData(stage: Stage, host = 'srv1'): DataState {
  const database = new DatabaseSync(databaseFile(stage, host), { readOnly: true });
  try {
    const column = (sql: string, name: string) =>
      database
        .prepare(sql)
        .all()
        .map((row) => String(row[name]));
    return {
      schema: Number(database.prepare('PRAGMA user_version').get()?.['user_version']),
      bookings: new Set(column("SELECT event || ' ' || seat AS booking FROM bookings", 'booking')),
      drafts: new Set(column('SELECT user FROM drafts', 'user')),
      tables: column("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name", 'name'),
    };
  } finally {
    database.close();
  }
}

export function dataIs(schema: number, wanted: ReadonlySet<string>, data: DataState): Check[] {
  const lost = [...wanted].filter((booking) => !data.bookings.has(booking));
  const strange = data.tables.includes('customers') && schema < 3;
  return [
    check(
      `the data is of schema ${schema}`,
      data.schema === schema && !strange,
      `schema ${data.schema}: ${data.tables.join(', ')}`,
    ),
    check('every booking is there', lost.length === 0, `${data.bookings.size} bookings, ${lost.length} lost`),
  ];
}

/** Lines of a user's log since a time. */
function since(user: User, at: number): readonly { readonly at: number; readonly text: string }[] {
  return user.log
    .map((line) => ({ at: Date.parse(line.slice(0, 24)), text: line.slice(25) }))
    .filter((line) => line.at >= at);
}

function first(user: User, at: number, pattern: RegExp): number | undefined {
  return since(user, at).find((line) => pattern.test(line.text))?.at;
}

function count(users: readonly User[], name: string, holds: (user: User) => boolean): Check {
  const fails = users.filter((user) => !holds(user));
  const found =
    fails.length === 0
      ? `${users.length} of ${users.length}`
      : `not ${fails
          .slice(0, 5)
          .map((u) => u.name)
          .join(', ')}`;
  return check(name, fails.length === 0, found);
}

/** What the users saw of one update that began at `at`. */
export function usersWereTreatedWell(users: readonly User[], at: number, reactionMs: number, version: string): Check[] {
  const told = (u: User) => first(u, at, /message: /);
  const off = (u: User) => first(u, at, /logged off \((deadline|ready|install)\)/);
  const forced = (u: User) => first(u, at, /logged off \((deadline|install)\)/) ?? Infinity;
  const back = (u: User) =>
    since(u, at).find(
      (l) => l.at > (off(u) ?? 0) && l.text.includes(`[Encore ${version}]`) && / logged in$/.test(l.text),
    )?.at;
  return [
    count(users, 'every user was told', (u) => told(u) !== undefined),
    count(
      users,
      'nobody was logged off before the reaction time',
      (u) => forced(u) - (told(u) ?? Infinity) >= reactionMs - 500,
    ),
    count(users, 'every user was logged off', (u) => off(u) !== undefined),
    count(users, `every user is back in on ${version}`, (u) => back(u) !== undefined),
  ];
}

/** Everybody was ready, so nobody waited for the time that a hold had asked for. */
export function drainEndedEarly(users: readonly User[], at: number, heldMs: number): Check {
  const told = Math.min(...users.map((u) => first(u, at, /message: /) ?? Infinity));
  const ready = users.map((u) => first(u, at, /logged off \(ready\)/)).filter((time) => time !== undefined);
  const took = Math.max(...ready) - told;
  return check(
    'a hold was granted, and ended early',
    users.some((u) => first(u, at, /they wait for you/) !== undefined) && took < heldMs / 2,
    `${ready.length} users were ready ${(took / 1000).toFixed(1)} s after the message, of ${heldMs / 1000} s`,
  );
}

/** Support stayed inside when all others had gone, and was out before any host was changed. */
export function exemptLeftLast(stage: Stage, users: readonly User[], at: number, name: string): Check {
  const offs = (who: readonly User[]) => who.map((u) => first(u, at, /logged off \(/) ?? Infinity);
  const [left = Infinity] = offs(users.filter((u) => u.name === name));
  const others = Math.max(...offs(users.filter((u) => u.name !== name)));
  const firstSwap = Math.min(...HOSTS.map((h) => currentVersion(stage, h.id).since));
  return check(
    'the exempt user stayed until the install',
    others < left && left < firstSwap,
    `${((left - others) / 1000).toFixed(1)} s after the others, ${((firstSwap - left) / 1000).toFixed(1)} s before the first swap`,
  );
}

/** Nobody came in between the last logoff and the moment when the last host had its final version. */
export function nobodyInsideMeanwhile(stage: Stage, users: readonly User[], at: number): Check {
  const lastSwap = Math.max(...HOSTS.map((h) => currentVersion(stage, h.id).since));
  const offs = users.flatMap((u) => since(u, at).filter((l) => /logged off \(/.test(l.text)));
  const lastOff = Math.max(...offs.map((l) => l.at));
  const inside = users.filter((u) => since(u, lastOff).some((l) => l.at < lastSwap && / logged in$/.test(l.text)));
  return check(
    'nobody was inside while hosts were changed',
    inside.length === 0 && lastOff < lastSwap,
    `${((lastSwap - lastOff) / 1000).toFixed(1)} s between the last logoff and the last swap`,
  );
}

export function firstStartCameFirst(stage: Stage, users: readonly User[], at: number, version: string): Check {
  const file = join(hostDir(stage, 'ts1'), 'data', 'first-start.txt');
  if (!existsSync(file)) return check('the terminal server was started first', false, 'its client was never started');
  const startedAt = lstatSync(file).mtimeMs;
  const there = readFileSync(file, 'utf8').trim();
  const logins = users
    .filter((u) => u.host.id === 'ts1')
    .map(
      (u) => since(u, at).find((l) => l.text.includes(`[Encore ${version}]`) && / logged in$/.test(l.text))?.at ?? 0,
    );
  const ok = there === version && startedAt > at && Math.min(...logins) >= startedAt - 50;
  return check(
    'the terminal server was started first',
    ok,
    `${Math.min(...logins) - Math.round(startedAt)} ms before its first user`,
  );
}
