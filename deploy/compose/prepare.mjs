import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/*
 * What has to be there before the first `docker compose up`: keys, credentials and passwords in ./secrets, each file readable by the user that it is
 * for, and volumes that their users may write to. Makes what is missing and changes nothing that is there.
 *
 *   docker compose run --rm prepare
 */

const SECRETS = process.env.SECRETS_DIR ?? '/secrets';
const VOLUMES = process.env.VOLUMES_DIR ?? '/volumes';
const USERS_CONF = process.env.USERS_CONF ?? '/prepare/users.conf';
const SERVICES = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];
const LASTCALL = 1000;
const MONGODB = 999;

const at = (...names) => join(SECRETS, ...names);

/** `content` is asked for only where the file is missing. */
function ensure(file, user, content) {
  if (!existsSync(file)) writeFileSync(file, content(), { mode: 0o400, flag: 'wx' });
  giveTo(file, user, 0o400);
}

/** Only root can give something away; anybody else has made it for himself. */
function giveTo(path, user, mode) {
  chmodSync(path, mode);
  if (process.getuid() === 0) chownSync(path, user, user);
}

/** 256 bits that need no escaping in a URL, and begin with a letter, which NATS wants. */
const newPassword = () => `p${randomBytes(32).toString('base64url')}`;

function passwords(name) {
  const file = at(`${name}.json`);
  ensure(file, MONGODB, () => JSON.stringify(Object.fromEntries(SERVICES.map((one) => [one, newPassword()])), null, 2));
  return JSON.parse(readFileSync(file, 'utf8'));
}

function ensureIdentity() {
  const folder = at('identity');
  if (!existsSync(join(folder, 'operator.token'))) {
    const data = mkdtempSync(join(tmpdir(), 'lastcall-'));
    execFileSync('lastcall', ['up', '--prepare', '--data', data], { stdio: ['ignore', 'ignore', 'inherit'] });
    mkdirSync(folder, { recursive: true });
    // The operator's comes last: it says that all others are there.
    const names = readdirSync(join(data, 'identity')).toSorted((a) => (a === 'operator.token' ? 1 : -1));
    for (const name of names) copyFileSync(join(data, 'identity', name), join(folder, name));
  }
  for (const name of readdirSync(folder)) giveTo(join(folder, name), LASTCALL, 0o400);
}

function ensureUsers() {
  const bus = passwords('nats-passwords');
  const store = passwords('mongodb-users');
  ensure(at('mongodb-root'), MONGODB, newPassword);
  ensure(at('nats-users.conf'), LASTCALL, () => {
    const lines = Object.entries({ ...bus, system: newPassword() }).map(
      ([user, password]) => `NATS_PASSWORD_${user.toUpperCase()}: "${password}"`,
    );
    return `${lines.join('\n')}\n\n${readFileSync(USERS_CONF, 'utf8')}`;
  });
  mkdirSync(at('settings'), { recursive: true });
  for (const service of SERVICES) {
    const settings = {
      bus: `nats://${service}:${bus[service]}@nats:4222`,
      store: `mongodb://lastcall_${service}:${store[service]}@mongodb:27017/?replicaSet=lastcall&authSource=admin`,
    };
    ensure(at('settings', `${service}.json`), LASTCALL, () => JSON.stringify(settings, null, 2));
  }
}

mkdirSync(SECRETS, { recursive: true });
ensureIdentity();
ensureUsers();
for (const [volume, user] of [
  ['nats', LASTCALL],
  ['front-door', LASTCALL],
  ['mongodb', MONGODB],
]) {
  if (existsSync(join(VOLUMES, volume))) giveTo(join(VOLUMES, volume), user, 0o700);
}
console.log(`${SECRETS} has everything; the operator's credential is ${at('identity', 'operator.token')}`);
