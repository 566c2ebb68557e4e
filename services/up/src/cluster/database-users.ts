import { invalid, isRejected, type Rejected, type Violation } from '@lastcall/kernel';
import { readSettings, SERVICE_NAMES, type Environment } from '@lastcall/runtime';
import { ensureUsers, type DatabaseUser, type EnsuredUser } from '@lastcall/store';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/* The services' users on MongoDB: `{prefix}_{service}`, for the database of the same name. */

export interface DatabaseUsersOptions {
  /** File with the URL of a user who may create users. */
  readonly mongodbAdminUrlFile: string;
  /** Of each service. */
  readonly passwords: ReadonlyMap<string, string>;
  /** For LASTCALL_PREFIX, as the services have it. */
  readonly env: Environment;
  readonly dryRun?: boolean | undefined;
}

export async function ensureDatabaseUsers(options: DatabaseUsersOptions): Promise<readonly EnsuredUser[] | Rejected> {
  const { mongodbAdminUrlFile: file, passwords, env, dryRun = false } = options;
  const settings = readSettings({ modules: [], env: { LASTCALL_PREFIX: env['LASTCALL_PREFIX'] } });
  if (isRejected(settings)) return settings;
  const missing = SERVICE_NAMES.filter((service) => !passwords.get(service));
  if (missing.length > 0) return invalid(missing.map((field) => ({ field, description: 'has no password' })));
  const adminUrl = await readText(file);
  if (typeof adminUrl !== 'string') return invalid([adminUrl]);
  if (!/^mongodb(\+srv)?:\/\//.test(adminUrl)) {
    return invalid([
      { field: file, description: 'must hold one URL, mongodb://user:password@host:27017/?authSource=admin' },
    ]);
  }
  const users = SERVICE_NAMES.map((service): DatabaseUser => {
    const name = `${settings.common.prefix}_${service}`;
    return { name, database: name, password: passwords.get(service) ?? '' };
  });
  return ensureUsers({ adminUrl, users, dryRun });
}

/** A folder with a file for each service, as the Secret of the store is where it is mounted. */
export async function readPasswords(folder: string): Promise<ReadonlyMap<string, string> | Rejected> {
  const passwords = new Map<string, string>();
  const wrong: Violation[] = [];
  for (const service of SERVICE_NAMES) {
    const password = await readText(join(folder, service));
    if (typeof password === 'string') passwords.set(service, password);
    else wrong.push(password);
  }
  return wrong.length > 0 ? invalid(wrong) : passwords;
}

async function readText(file: string): Promise<string | Violation> {
  try {
    const text = (await readFile(file, 'utf8')).trim();
    return text === '' ? { field: file, description: 'is empty' } : text;
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    return { field: file, description: `cannot be read (${why})` };
  }
}
