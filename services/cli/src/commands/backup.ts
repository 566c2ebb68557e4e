import { EXIT, formatName, preflightV1 } from '@lastcall/contracts';
import { confirmByTyping } from '../ask.js';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { OperationFailed } from '../failures.js';
import { poll } from '../poll.js';
import { createProgress } from '../render/progress.js';
import { bytes, table } from '../render/text.js';
import { timeIn } from '../render/time.js';
import { lastPart } from '../render/words.js';
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
}

/** Takes one and waits for its end. */
export async function takeBackup(work: Work): Promise<preflightV1.Backup> {
  const { name: parent } = await work.installation();
  createProgress(work).say('backing up');
  const { backup } = await work.services.preflight.createBackup({ parent });
  const name = backup?.name ?? '';
  const done = await poll(
    async () => (await work.services.preflight.getBackup({ name })).backup ?? preflightV1.Backup.create(),
    ({ pending }) => !pending,
    { timeoutMs: TIMEOUT_MS, what: name },
  );
  if (done.failure) throw new OperationFailed(`${done.failure.message} [${done.failure.reason}]`);
  return done;
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
  const state = (b: preflightV1.Backup): string =>
    b.pending ? 'pending' : b.failure ? `failed: ${b.failure.message}` : b.verified ? 'verified' : 'not verified';
  work.print(preflightV1.ListBackupsResponse.toJSON({ backups, nextPageToken: '' }), () =>
    table(
      ['restore point', `taken (${timeZone})`, 'host', 'version', 'size', 'state'],
      backups.map((b) => [
        b.restorePoint,
        timeIn(b.takenAt, timeZone),
        b.host,
        b.version,
        bytes(b.sizeBytes),
        state(b),
      ]),
      'no backups',
    ),
  );
}

async function restore(work: Work, options: { confirm?: string }, point: string): Promise<number> {
  const { name: parent } = await work.installation();
  const restorePoint = lastPart(point);
  const question = `Everything entered since ${restorePoint} will be lost. Type the name of the restore point to go ahead`;
  const confirm = options.confirm ?? (await confirmByTyping(work, question, '--confirm'));
  const backup = formatName('backup', { installation: lastPart(parent), restore_point: restorePoint });
  const { name } = await work.services.preflight.restoreBackup({ name: backup, confirm });
  createProgress(work).say('restoring');
  const done = await poll(
    () => work.services.preflight.getRestore({ name }),
    ({ pending }) => !pending,
    { timeoutMs: TIMEOUT_MS, what: name },
  );
  work.print(preflightV1.GetRestoreResponse.toJSON(done), () => {
    return done.failure ? `failed: ${done.failure.message}\n` : `restored ${restorePoint}\n`;
  });
  return done.failure ? EXIT.failed : EXIT.done;
}
