import { invalid, isRejected, reject, type Rejected, type Violation } from '@lastcall/kernel';
import { IDENTITY_FILES, knowsSigningKey, type Environment } from '@lastcall/runtime';
import type { EnsuredUser } from '@lastcall/store';
import { contentOf, ensureSecret, type EnsuredSecret } from './ensure-secret.js';
import { openSecrets, SERVICE_ACCOUNT_DIR, type Secrets } from './kubernetes-api.js';
import { ensureDatabaseUsers } from './database-users.js';
import { catalogSecret, identitySecrets, passwordSecrets, secretNames } from './secrets-of.js';

/*
 * What has to be there before Lastcall starts on Kubernetes: one identity and the passwords of its users, in Secrets of one
 * namespace. Runs before every install and upgrade; makes what is missing and changes nothing that is there.
 *
 * The catalog's Secret is made first and looked for last. So where it is missing and another part of the identity is there, it
 * was there and has been lost: a second signing key would be believed by nobody, and none is made.
 */

export interface PrepareClusterOptions {
  readonly namespace: string;
  /** First part of all names. */
  readonly name: string;
  readonly dryRun?: boolean | undefined;
  readonly serviceAccountDir?: string | undefined;
  /** Undefined: users on MongoDB are somebody else's. */
  readonly mongodbAdminUrlFile?: string | undefined;
  readonly env: Environment;
}

export type PreparedSecret = Omit<EnsuredSecret, 'content'>;

export interface PreparedCluster {
  readonly secrets: readonly PreparedSecret[];
  readonly mongodbUsers?: readonly EnsuredUser[];
}

export async function prepareCluster(options: PrepareClusterOptions): Promise<PreparedCluster | Rejected> {
  const {
    namespace,
    name,
    dryRun = false,
    serviceAccountDir = SERVICE_ACCOUNT_DIR,
    env,
    mongodbAdminUrlFile,
  } = options;
  const wrong = wrongNames({ namespace, name });
  if (wrong.length > 0) return invalid(wrong);
  const secrets = await openSecrets({ env, serviceAccountDir, namespace, dryRun });
  if (isRejected(secrets)) return secrets;
  const lost = await lostIdentity(secrets, name);
  if (lost) return lost;
  const catalog = await ensureSecret(secrets, catalogSecret(name));
  const ensured = [catalog];
  for (const wanted of [...identitySecrets(name, catalog.content), ...passwordSecrets(name)]) {
    ensured.push(await ensureSecret(secrets, wanted));
  }
  const strange = await strangers(catalog.content, ensured);
  if (strange.length > 0) return reject('refused', 'TWO_IDENTITIES', TWO_IDENTITIES, { violations: strange });
  const made = ensured.map(({ name: secret, state, keys }) => ({ name: secret, state, keys }));
  if (mongodbAdminUrlFile === undefined) return { secrets: made };
  const passwords = ensured.find((one) => one.name === secretNames(name).store)?.content ?? new Map<string, string>();
  const mongodbUsers = await ensureDatabaseUsers({ mongodbAdminUrlFile, passwords, env, dryRun });
  return isRejected(mongodbUsers) ? mongodbUsers : { secrets: made, mongodbUsers };
}

/** A label's rules, which are stricter than those of a Secret's name. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

function wrongNames(names: Readonly<Record<string, string>>): Violation[] {
  const description = 'must be 1 to 63 characters of a-z, 0-9 and -, with a letter or digit at both ends';
  return Object.entries(names).flatMap(([field, value]) => (LABEL.test(value) ? [] : [{ field, description }]));
}

/** Rejected where the signing key is gone and what was made with it is there. */
async function lostIdentity(secrets: Secrets, name: string): Promise<Rejected | undefined> {
  const there: string[] = [];
  for (const part of identitySecrets(name, new Map())) {
    if (contentOf(await secrets.get(part.name)).size > 0) there.push(part.name);
  }
  const catalog = catalogSecret(name);
  const whole = contentOf(await secrets.get(catalog.name));
  if (whole.has(IDENTITY_FILES.signingKey)) return undefined;
  if (whole.size > 0) there.push(catalog.name);
  if (there.length === 0) return undefined;
  const message =
    `The signing key is gone (${IDENTITY_FILES.signingKey} of Secret ${catalog.name}), and what was made with it is there: ` +
    `${there.join(', ')}. Bring it back from a backup. Or delete these Secrets and run this again: then every credential that was ` +
    'ever issued ends, those of clients and hosts included.';
  return reject('refused', 'SIGNING_KEY_LOST', message);
}

const TWO_IDENTITIES =
  'These Secrets do not know the signing key of the catalog, so their services would let nobody in. Delete them and run this again.';

async function strangers(whole: ReadonlyMap<string, string>, ensured: readonly EnsuredSecret[]): Promise<Violation[]> {
  const signingKey = whole.get(IDENTITY_FILES.signingKey) ?? '';
  const strange: Violation[] = [];
  for (const { name, content } of ensured) {
    const keys = content.get(IDENTITY_FILES.keys);
    if (keys === undefined || (await knowsSigningKey(keys, signingKey))) continue;
    strange.push({ field: name, description: `its ${IDENTITY_FILES.keys} is of another identity` });
  }
  return strange;
}
