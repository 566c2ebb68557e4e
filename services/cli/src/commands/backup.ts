import { EXIT, formatName, preflightV1 } from '@lastcall/contracts';
import { confirmByTyping } from '../ask.js';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { OperationFailed } from '../failures.js';
import { wholeOption } from '../option-values.js';
import { poll } from '../poll.js';
import { createProgress } from '../render/progress.js';
import { followSteps } from '../render/steps.js';
import { bytes, count, table } from '../render/text.js';
import { timeIn } from '../render/time.js';
import { lastPart } from '../render/words.js';
import { addBackupReport } from './backup-report.js';
import type { Work } from '../work.js';

const TIMEOUT_MS = 2 * 3_600_000;

export function addBackup(cli: Cli): void {
  const noun = cli.noun('backup', 'Data backups and their restore points');
  cli.define(
    noun,
    {
      use: 'take',
      does: 'Takes a data backup now; nobody is disturbed',
      example: 'lastcall backup take',
      installation: true,
    },
    take,
  );
  cli.define(
    noun,
    { use: 'list', does: 'Lists backups, newest first', example: 'lastcall backup list', installation: true },
    list,
  );
  cli.define<{ confirm?: string }>(
    noun,
    {
      use: 'restore <restore-point>',
      does: 'Brings the data back from a restore point: everything entered since then is lost',
      example: 'lastcall backup restore 20261224-220000 --confirm 20261224-220000',
      installation: true,
      options: (command) => command.option('--confirm <restore-point>', 'the same name again, instead of being asked'),
    },
    restore,
  );
  cli.define(
    noun,
    {
      use: 'verify <restore-point>',
      does: 'Has its host bring a restore point into a scratch folder and compare every byte; one that is damaged does not count any more',
      example: 'lastcall backup verify 20261224-220000-k3j5x7ab',
      installation: true,
    },
    verify,
  );
  cli.define<{ keep?: string }>(
    noun,
    {
      use: 'policy',
      does: 'Shows how many restore points stay, or changes it; never does the newest proven one go, nor what a run or a job may need',
      example: 'lastcall backup policy --keep 14',
      installation: true,
      options: (command) => command.option('--keep <number>', 'restore points that stay, 1 to 1000'),
    },
    policy,
  );
  addBackupReport(cli, noun);
}

/** Takes one and waits for its end. */
export async function takeBackup(work: Work): Promise<preflightV1.Backup> {
  const { name: parent } = await work.installation();
  createProgress(work).say('backing up');
  const { backup } = await work.services.preflight.createBackup({ parent });
  const done = await waitFor(work, backup?.name ?? '', ({ pending }) => !pending);
  if (done.failure) throw new OperationFailed(`${done.failure.message} [${done.failure.reason}]`);
  return done;
}

/** Follows the host until it has answered. */
async function waitFor(
  work: Work,
  name: string,
  isDone: (backup: preflightV1.Backup) => boolean,
): Promise<preflightV1.Backup> {
  const steps = followSteps(work);
  try {
    return await poll(
      async () => (await work.services.preflight.getBackup({ name })).backup ?? preflightV1.Backup.create(),
      (backup) => {
        steps.hear(backup);
        return isDone(backup);
      },
      { timeoutMs: TIMEOUT_MS, what: name },
    );
  } finally {
    steps.end();
  }
}

async function take(work: Work): Promise<void> {
  const done = await takeBackup(work);
  work.print(preflightV1.Backup.toJSON(done), () => `${done.restorePoint} on ${done.host}: ${bytes(done.sizeBytes)}\n`);
}

async function list(work: Work): Promise<void> {
  const { name: parent, timeZone } = await work.installation();
  const backups = await allPages(async (pageToken) => {
    const page = await work.services.preflight.listBackups({ parent, pageSize: 1_000, pageToken });
    return { items: page.backups, next: page.nextPageToken };
  });
  work.print(preflightV1.ListBackupsResponse.toJSON({ backups, nextPageToken: '' }), () =>
    table(
      ['restore point', `taken (${timeZone})`, 'host', 'version', 'size', 'on disk', 'state', 'stays', 'folder'],
      backups.map((b) => [
        b.restorePoint,
        timeIn(b.takenAt, timeZone),
        b.host,
        b.version,
        bytes(b.sizeBytes),
        b.storedBytes > 0n ? bytes(b.storedBytes) : '',
        stateOf(b, timeZone),
        STAYS[b.protectedBy] ?? b.protectedBy,
        b.folder,
      ]),
      'no backups',
    ),
  );
}

const STAYS: Readonly<Record<string, string>> = { newest: 'newest', run: 'a run needs it', job: 'a job needs it' };

function stateOf(b: preflightV1.Backup, zone: string): string {
  if (b.pending) return b.step === '' ? 'pending' : `pending: ${b.step}`;
  if (b.deleteTime) return `deleted ${timeIn(b.deleteTime, zone)}`;
  if (b.deleting) return 'being deleted';
  if (b.failure) return `failed: ${b.failure.message}`;
  if (b.proof) return `reported by ${b.proof.reportedBy}`;
  const how = b.keyId === '' ? '' : ', encrypted';
  if (b.verifying) return `being verified${how}`;
  const doubt = b.verifyFailure ? `; could not be verified again: ${b.verifyFailure.message}` : '';
  return `${b.verified ? `verified ${timeIn(b.verifiedAt, zone)}`.trim() : 'not verified'}${how}${doubt}`;
}

async function verify(work: Work, _: object, point: string): Promise<number> {
  const { name: parent, timeZone } = await work.installation();
  const name = formatName('backup', { installation: lastPart(parent), restore_point: lastPart(point) });
  await work.services.preflight.verifyBackup({ name });
  createProgress(work).say('verifying');
  const done = await waitFor(work, name, ({ verifying }) => !verifying);
  const failed = done.failure ?? done.verifyFailure;
  work.print(preflightV1.Backup.toJSON(done), () =>
    failed
      ? `${done.failure ? 'damaged' : 'not verified'}: ${failed.message}\n`
      : `${done.restorePoint} on ${done.host} is whole, verified ${timeIn(done.verifiedAt, timeZone)} (${timeZone})\n`,
  );
  return failed ? EXIT.failed : EXIT.done;
}

async function policy(work: Work, options: { keep?: string }): Promise<void> {
  const { name: parent } = await work.installation();
  const keep = wholeOption('--keep', options.keep, 1, 1_000);
  const preflight = work.services.preflight;
  const { policy: now } =
    keep === undefined
      ? await preflight.getBackupPolicy({ parent })
      : await preflight.updateBackupPolicy({ parent, policy: { keep } });
  work.print(preflightV1.BackupPolicy.toJSON(now ?? { keep: 0 }), () => {
    return `${count(now?.keep ?? 0, 'restore point stays', 'restore points stay')}, and what a run or a job may need\n`;
  });
}

async function restore(work: Work, options: { confirm?: string }, point: string): Promise<number> {
  const { name: parent } = await work.installation();
  const restorePoint = lastPart(point);
  const question = `Everything entered since ${restorePoint} will be lost. Type the name of the restore point to go ahead`;
  const confirm = options.confirm ?? (await confirmByTyping(work, question, '--confirm'));
  const backup = formatName('backup', { installation: lastPart(parent), restore_point: restorePoint });
  const { name } = await work.services.preflight.restoreBackup({ name: backup, confirm });
  createProgress(work).say('restoring');
  const steps = followSteps(work);
  const done = await poll(
    () => work.services.preflight.getRestore({ name }),
    (now) => {
      steps.hear(now);
      return !now.pending;
    },
    { timeoutMs: TIMEOUT_MS, what: name },
  ).finally(() => steps.end());
  work.print(preflightV1.GetRestoreResponse.toJSON(done), () => {
    return done.failure ? `failed: ${done.failure.message}\n` : `restored ${restorePoint}\n`;
  });
  return done.failure ? EXIT.failed : EXIT.done;
}
