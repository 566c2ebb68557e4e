import { isRejected, RejectedError } from '@lastcall/kernel';
import type { PreparedCluster } from '@lastcall/up';
import type { Cli } from '../define.js';
import { table } from '../render/text.js';
import type { Work } from '../work.js';

/* Lastcall on Kubernetes, before it runs: what a Job of the chart does, and nobody by hand. */

interface PrepareOptions {
  readonly namespace: string;
  readonly name: string;
  readonly dryRun?: boolean;
  readonly serviceAccount?: string;
  readonly mongodbAdminUrlFile?: string;
}

interface UsersOptions {
  readonly mongodbAdminUrlFile: string;
  readonly passwords: string;
  readonly dryRun?: boolean;
}

export function addCluster(cli: Cli): void {
  const noun = cli.noun('cluster', 'Lastcall on Kubernetes: keys, credentials and passwords before the first start');
  cli.define<PrepareOptions>(
    noun,
    {
      use: 'prepare',
      does: 'Makes the Secrets of one Lastcall where they are missing, in a pod that may; changes nothing that is there',
      example: 'lastcall cluster prepare --namespace lastcall --name lastcall --dry-run',
      options: (command) =>
        command
          .requiredOption('--namespace <name>', 'where the Secrets are')
          .requiredOption('--name <name>', 'what the names of the Secrets begin with')
          .option(ADMIN_URL, 'also the users of the services on MongoDB, as this administrator (default: none)')
          .option('--dry-run', 'only say what would be made; the server checks that it may be')
          .option('--service-account <folder>', 'token and ca.crt of the pod (default: where Kubernetes puts them)'),
    },
    prepare,
  );
  cli.define<UsersOptions>(
    noun,
    {
      use: 'users',
      does: 'Makes the users of the services on MongoDB, each for its own database only, or brings them to their passwords; needs no Kubernetes',
      example:
        'lastcall cluster users --mongodb-admin-url-file /run/secrets/mongodb-admin --passwords /run/secrets/lastcall-store',
      options: (command) =>
        command
          .requiredOption(ADMIN_URL, 'URL of a user who may create users')
          .requiredOption('--passwords <folder>', 'a file each: catalog, scheduler, preflight, session, installer')
          .option('--dry-run', 'only say what would be made'),
    },
    users,
  );
}

const ADMIN_URL = '--mongodb-admin-url-file <file>';

async function prepare(work: Work, options: PrepareOptions): Promise<void> {
  const { prepareCluster } = await import('@lastcall/up');
  const { serviceAccount: serviceAccountDir, ...others } = options;
  const prepared = await prepareCluster({ ...others, serviceAccountDir, env: work.io.env });
  if (isRejected(prepared)) throw new RejectedError(prepared);
  const { namespace, name, dryRun = false } = options;
  work.print({ namespace, name, dryRun, ...prepared }, () => text(prepared, dryRun));
}

async function users(
  work: Work,
  { mongodbAdminUrlFile, passwords: folder, dryRun = false }: UsersOptions,
): Promise<void> {
  const { ensureDatabaseUsers, readPasswords } = await import('@lastcall/up');
  const passwords = await readPasswords(folder);
  if (isRejected(passwords)) throw new RejectedError(passwords);
  const mongodbUsers = await ensureDatabaseUsers({ mongodbAdminUrlFile, passwords, env: work.io.env, dryRun });
  if (isRejected(mongodbUsers)) throw new RejectedError(mongodbUsers);
  work.print({ dryRun, mongodbUsers }, () => userTable(mongodbUsers, dryRun));
}

const MADE = { created: 'created', completed: 'completed', updated: 'updated', unchanged: 'was there' };
const WOULD_BE = {
  created: 'would be created',
  completed: 'would be completed',
  updated: 'would be updated',
  unchanged: 'is there',
};

function text({ secrets, mongodbUsers }: PreparedCluster, dryRun: boolean): string {
  const words = dryRun ? WOULD_BE : MADE;
  const rows = secrets.map(({ name, state, keys }) => [name, words[state], keys.join(', ')]);
  const ofUsers = mongodbUsers === undefined ? '' : `\n${userTable(mongodbUsers, dryRun)}`;
  return `${table(['secret', 'state', 'made'], rows)}${ofUsers}`;
}

function userTable(all: NonNullable<PreparedCluster['mongodbUsers']>, dryRun: boolean): string {
  const words = dryRun ? WOULD_BE : MADE;
  return table(
    ['user on MongoDB', 'state'],
    all.map(({ name, state }) => [name, words[state]]),
  );
}
