import { Fault } from '@lastcall/kernel';
import type { Secret, Secrets } from './kubernetes-api.js';

/*
 * One Secret with all that it should have. What is there stays as it is, whoever made it; two that do this at the same time end
 * with the same content, because the server lets only one create it, and only one add to what it has read.
 */

export interface EnsuredSecret {
  readonly name: string;
  /** `completed`: it was there, without these `keys`. */
  readonly state: 'created' | 'completed' | 'unchanged';
  /** Names of what was made now. */
  readonly keys: readonly string[];
  /** All that it has now. Secret. */
  readonly content: ReadonlyMap<string, string>;
}

export interface WantedSecret {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly keys: readonly string[];
  /** Content of a key that is missing; `present` is what the Secret has, those made before included. */
  readonly make: (key: string, present: ReadonlyMap<string, string>) => string | Promise<string>;
}

/** Somebody else changes it each time; more than a few times is no accident. */
const ATTEMPTS = 5;

export async function ensureSecret(secrets: Secrets, wanted: WantedSecret): Promise<EnsuredSecret> {
  const { name } = wanted;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const read = await secrets.get(name);
    const present = contentOf(read);
    const missing = wanted.keys.filter((key) => !present.has(key));
    if (read && missing.length === 0) return { name, state: 'unchanged', keys: [], content: present };
    const data = encoded(await makeAll(wanted, missing, present));
    const written = await (read
      ? secrets.patch(read, data)
      : secrets.create({ metadata: { name, labels: wanted.labels }, type: 'Opaque', data }));
    if (written) {
      return { name, state: read ? 'completed' : 'created', keys: missing, content: contentOf(written) };
    }
  }
  throw new Fault(`Secret ${name} is changed by somebody else all the time`);
}

async function makeAll(
  { make }: WantedSecret,
  missing: readonly string[],
  present: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, string>> {
  const made = new Map<string, string>();
  for (const key of missing) made.set(key, await make(key, new Map([...present, ...made])));
  return made;
}

/** An empty value counts as missing: it is of no use to anybody. */
export function contentOf(secret: Secret | undefined): ReadonlyMap<string, string> {
  const entries = Object.entries(secret?.data ?? {}).filter(([, value]) => value !== '');
  return new Map(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}

function encoded(content: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  return Object.fromEntries([...content].map(([key, value]) => [key, Buffer.from(value, 'utf8').toString('base64')]));
}
