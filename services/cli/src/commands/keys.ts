import { catalogV1 } from '@lastcall/contracts';
import { reject, RejectedError } from '@lastcall/kernel';
import {
  changePassphrase,
  createKeyFile,
  createKeyFolder,
  keySetFor,
  nextKeyName,
  OFFLINE_ROLES,
  readKeyFiles,
  readTrust,
  replaceKey,
  roleOfKey,
  writeTrust,
  type KeyPlan,
  type OfflineRole,
  type SigningRequest,
  type TrustFile,
} from '@lastcall/trust';
import type { Command } from 'commander';
import { confirmOr } from '../ask.js';
import type { Cli } from '../define.js';
import { UsageError } from '../failures.js';
import { explainReplacement, HAND_OVER_LINES } from '../keys/explain.js';
import { askNewPassphrase, askNextPassphrase, askPassphrase, type PassphraseOptions } from '../keys/passphrase.js';
import { fetchRequest, readRequestFile, submitRequest, writeRequestFile } from '../keys/request-files.js';
import { showState } from '../keys/show-state.js';
import { signWithFolder, type SignOptions } from '../keys/sign-request.js';
import { createProgress } from '../render/progress.js';
import { table } from '../render/text.js';
import type { Work } from '../work.js';

interface FolderOptions extends PassphraseOptions {
  readonly keys?: string;
  readonly yes?: boolean;
}

interface ApplyOptions extends FolderOptions {
  readonly out?: string;
  readonly newOnlineKeys?: boolean;
}

type InitOptions = PassphraseOptions & Readonly<Record<OfflineRole, string>>;

export function addKeys(cli: Cli): void {
  const noun = cli.noun('keys', 'Keys that sign releases, away from the catalog');
  addMaking(cli, noun);
  addChanging(cli, noun);
  addCarrying(cli, noun);
}

function withFolder(command: Command): Command {
  return command.option('--keys <folder>', 'folder with keys and trust.json (default: LASTCALL_KEYS)');
}

function withPassphrase(command: Command): Command {
  return command.option('--passphrase-file <file>', 'read the passphrase there (or set LASTCALL_KEYS_PASSPHRASE)');
}

function withYes(command: Command): Command {
  return command.option('--yes', 'go ahead without asking');
}

function addMaking(cli: Cli, noun: Command): void {
  cli.define<InitOptions>(
    noun,
    {
      use: 'init <folder>',
      does: 'Makes keys, each in an encrypted file; needs no network',
      example: 'lastcall keys init /media/stick/keys',
      options: (command) => {
        for (const role of OFFLINE_ROLES)
          command.option(`--${role} <m/n>`, `how many of how many keys must sign for ${role}`, '2/3');
        withPassphrase(command);
      },
    },
    init,
  );
  cli.define<FolderOptions>(
    noun,
    {
      use: 'list',
      does: 'Lists the keys of a folder; needs no network',
      example: 'lastcall keys list --keys ./keys',
      options: (command) => withFolder(command),
    },
    list,
  );
  cli.define<FolderOptions & { newPassphraseFile?: string }>(
    noun,
    {
      use: 'passphrase [names...]',
      does: 'Gives keys of a folder another passphrase; needs no network',
      example: 'lastcall keys passphrase root-2 targets-2 releases-2 --keys ./keys',
      options: (command) =>
        withPassphrase(withFolder(command)).option('--new-passphrase-file <file>', 'read the new passphrase there'),
    },
    passphrase,
  );
}

function addChanging(cli: Cli, noun: Command): void {
  for (const [verb, why, does] of [
    ['rotate', 'rotated', 'Puts a new key in the place of one, as a matter of routine; "keys apply" makes it count'],
    [
      'revoke',
      'revoked',
      'Puts a new key in the place of one that is lost or in the wrong hands; "keys apply" makes it count',
    ],
  ] as const) {
    cli.define<FolderOptions>(
      noun,
      {
        use: `${verb} <key>`,
        does,
        example: `lastcall keys ${verb} releases-1 --keys ./keys`,
        options: (command) => withYes(withPassphrase(withFolder(command))),
      },
      (work, options, key) => replace(work, options, key, why),
    );
  }
}

function addCarrying(cli: Cli, noun: Command): void {
  const out = (command: Command): Command =>
    command.option('--out <file>', 'only write down what is to be signed; then "release sign" and "keys submit"');
  cli.define<ApplyOptions>(
    noun,
    {
      use: 'hand-over',
      does: 'Takes root, targets and releases out of the catalog’s hands, for good',
      example: 'lastcall keys hand-over --keys ./keys',
      options: (command) => withYes(out(withPassphrase(withFolder(command)))),
    },
    (work, options) => apply(work, options, true),
  );
  cli.define<ApplyOptions>(
    noun,
    {
      use: 'apply',
      does: 'Makes the keys of trust.json those that clients believe, after "rotate" or "revoke"',
      example: 'lastcall keys apply --keys ./keys',
      options: (command) =>
        withYes(out(withPassphrase(withFolder(command)))).option(
          '--new-online-keys',
          'the catalog makes new keys for snapshot and timestamp too',
        ),
    },
    (work, options) => apply(work, options, false),
  );
  cli.define<ApplyOptions>(
    noun,
    {
      use: 'renew',
      does: 'Signs again what runs out, and what the catalog has to say anew (a withdrawn release)',
      example: 'lastcall keys renew --keys ./keys',
      options: (command) => withYes(out(withPassphrase(withFolder(command)))),
    },
    async (work, options) => carry(work, options, await fetchRequest(work.services, { renew: true })),
  );
  cli.define(
    noun,
    {
      use: 'submit <file>',
      does: 'Hands a signed request to the catalog',
      example: 'lastcall keys submit request.json',
    },
    async (work, _, file) => submit(work, await readRequestFile(file)),
  );
  cli.define<FolderOptions>(
    noun,
    {
      use: 'show',
      does: 'Shows who signs for the catalog, until when it holds, and what waits for signatures',
      example: 'lastcall keys show',
      options: (command) => withFolder(command),
    },
    async (work, options) => {
      const { state } = await work.services.catalog.getSigningState({});
      const folder = options.keys ?? work.io.env['LASTCALL_KEYS'];
      if (state) showState(work, state, folder === undefined ? undefined : await readTrust(folder));
    },
  );
}

/** The folder of `--keys` or LASTCALL_KEYS. */
export function keysFolder(work: Work, { keys }: { readonly keys?: string }): string {
  const folder = keys ?? work.io.env['LASTCALL_KEYS'];
  if (!folder) throw new UsageError('which keys? Name their folder with --keys, or set LASTCALL_KEYS');
  return folder;
}

async function init(work: Work, options: InitOptions, folder: string): Promise<void> {
  const plan = Object.fromEntries(OFFLINE_ROLES.map((role) => [role, planOf(role, options[role])])) as KeyPlan;
  const passphrase = await askNewPassphrase(work.io, options);
  const progress = createProgress(work);
  const trust = await createKeyFolder(folder, plan, { passphrase }, (name) => progress.say(`made ${name}.key`));
  work.print(trust, () => {
    return `${folder} has the keys and trust.json. Copy it to a second place now; a lost key cannot be made again.\nNext: "lastcall keys hand-over --keys ${folder}" where the catalog can be reached.\n`;
  });
}

function planOf(role: string, text: string): { keys: number; threshold: number } {
  const [, threshold = 0, keys = 0] = /^(\d{1,2})\/(\d{1,2})$/.exec(text)?.map(Number) ?? [];
  if (threshold >= 1 && threshold <= keys && keys <= 32) return { keys, threshold };
  throw new UsageError(`--${role} is ${JSON.stringify(text)}; write how many must sign of how many keys, such as 2/3`);
}

async function list(work: Work, options: FolderOptions): Promise<void> {
  const folder = keysFolder(work, options);
  const trust = await readTrust(folder);
  const here = new Set((await readKeyFiles(folder)).map((file) => file.public));
  const rows = OFFLINE_ROLES.flatMap((role) => {
    const { threshold, keys } = trust.roles[role];
    const need = `${threshold} of ${keys.length}`;
    return keys.map((key) => [key.name, need, here.has(key.public) ? 'here' : 'elsewhere', key.public]);
  });
  const retired = trust.retired.map((key) => [
    key.name,
    key.why,
    here.has(key.public) ? 'here' : 'elsewhere',
    key.public,
  ]);
  work.print(trust, () => table(['key', 'must sign', 'file', 'public key'], [...rows, ...retired]));
}

async function passphrase(
  work: Work,
  options: FolderOptions & { newPassphraseFile?: string },
  ...names: string[]
): Promise<void> {
  const folder = keysFolder(work, options);
  const files = await readKeyFiles(folder);
  const unknown = names.filter((name) => !files.some((file) => file.name === name));
  if (unknown.length > 0) throw new UsageError(`${folder} has no key ${unknown.join(', ')}`);
  const before = await askPassphrase(work.io, options, 'Passphrase until now');
  const after = await askNextPassphrase(work.io, options.newPassphraseFile);
  for (const file of names.length === 0 ? files : files.filter((f) => names.includes(f.name))) {
    await changePassphrase(file, before, { passphrase: after });
    work.note(`${file.name} has the new passphrase`);
  }
}

async function replace(work: Work, options: FolderOptions, name: string, why: 'rotated' | 'revoked'): Promise<void> {
  const folder = keysFolder(work, options);
  const trust = await readTrust(folder);
  const role = roleOfKey(trust, name);
  const by = nextKeyName(trust, role, await readKeyFiles(folder));
  work.note(explainReplacement(trust, role, name, by, why).join('\n'));
  await confirmed(work, options, `Replace ${name} by ${by}?`);
  const key = await createKeyFile(folder, by, { passphrase: await askNewPassphrase(work.io, options) });
  const next = replaceKey(trust, name, key, why);
  await writeTrust(folder, next);
  work.print(next, () => `${by} is made. Next: "lastcall keys apply --keys ${folder}".\n`);
}

async function confirmed(work: Work, { yes }: FolderOptions, question: string): Promise<void> {
  if (yes || (await confirmOr(work, question, '--yes'))) return;
  throw new RejectedError(reject('refused', 'NOT_CONFIRMED', 'nothing was changed'));
}

async function apply(work: Work, options: ApplyOptions, isFirst: boolean): Promise<void> {
  const trust = await readTrust(keysFolder(work, options));
  if (isFirst) {
    work.note(HAND_OVER_LINES.join('\n'));
    await confirmed(work, options, 'Hand the keys over?');
  }
  const keys = offlineKeys(trust, options.newOnlineKeys ?? false);
  await carry(work, options, await fetchRequest(work.services, { keys }));
}

function offlineKeys(trust: TrustFile, newOnlineKeys: boolean): catalogV1.OfflineKeys {
  const set = (role: OfflineRole): catalogV1.SigningKeys => {
    const { keys, threshold } = keySetFor(trust.roles[role]);
    return { publicKeys: keys.map((key) => Buffer.from(key.keyval.public, 'hex')), threshold };
  };
  return { root: set('root'), targets: set('targets'), releases: set('releases'), newOnlineKeys };
}

/** Signed here and now, or written down for those who have the keys. */
async function carry(work: Work, options: ApplyOptions, request: SigningRequest): Promise<void> {
  if (options.out !== undefined) {
    await writeRequestFile(options.out, request);
    work.note(
      `${options.out} is to be signed: "lastcall release sign ${options.out} --keys FOLDER", then "lastcall keys submit ${options.out}".`,
    );
    return;
  }
  const sign: SignOptions = { ...options, keys: keysFolder(work, options) };
  await submit(work, await signWithFolder(work, request, sign));
}

async function submit(work: Work, request: SigningRequest): Promise<void> {
  const answer = await submitRequest(work.services, request);
  work.print(catalogV1.SubmitSigningResponse.toJSON(answer), () => {
    const root = `root ${answer.state?.rootVersion}`;
    return answer.release
      ? `published ${answer.release.product} ${answer.release.version}\n`
      : `accepted; clients believe ${root} now\n`;
  });
}
