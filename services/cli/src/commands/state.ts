import { isRejected, RejectedError } from '@lastcall/kernel';
import type { BlobsHow, BackedUp } from '@lastcall/up';
import { choice } from '../option-values.js';
import type { Cli } from '../define.js';
import { bytes, count, fields } from '../render/text.js';
import { ownZone, time } from '../render/time.js';
import type { Work } from '../work.js';

/* Lastcall's own data on one site, as files: without the services, so that it works when they do not. */

export function addState(cli: Cli): void {
  const noun = cli.noun('state', "Lastcall's own data of one site: its backup, and the way back");
  cli.define<BackupOptions>(
    noun,
    {
      use: 'backup',
      does: 'Copies the data folder as it is at one moment into a new folder, checksummed, while Lastcall runs or not',
      example: 'lastcall state backup --data /srv/lastcall --to /mnt/backup/lastcall-2026-11-29',
      renews: false,
      options: (command) =>
        command
          .option('--data <folder>', 'data folder (default: LASTCALL_DATA_DIR, else ./lastcall-data)')
          .requiredOption('--to <folder>', 'a new folder, best on another disk')
          .option('--with-keys', 'signing keys and credentials too; keep that backup like a key')
          .addOption(choice('--blobs <how>', 'the files of the releases', ['copy', 'link', 'skip']).default('copy')),
    },
    backup,
  );
  cli.define<{ from: string }>(
    noun,
    {
      use: 'check',
      does: 'Reads a backup as a whole and compares it with its checksums',
      example: 'lastcall state check --from /mnt/backup/lastcall-2026-11-29',
      renews: false,
      options: (command) => command.requiredOption('--from <folder>', 'folder of "state backup"'),
    },
    check,
  );
  cli.define<RestoreOptions>(
    noun,
    {
      use: 'restore',
      does: 'Makes a data folder from a backup; a folder that has anything in it is refused',
      example: 'lastcall state restore --from /mnt/backup/lastcall-2026-11-29 --data /srv/lastcall',
      renews: false,
      options: (command) =>
        command
          .requiredOption('--from <folder>', 'folder of "state backup"')
          .option('--data <folder>', 'new data folder (default: LASTCALL_DATA_DIR, else ./lastcall-data)')
          .option('--keys-from <folder>', 'a backup with keys, where that one has none')
          .option('--without-keys', 'you put identity/ and catalog/tuf/keys/ there yourself before the start'),
    },
    restore,
  );
}

interface BackupOptions {
  readonly data?: string;
  readonly to: string;
  readonly withKeys?: boolean;
  readonly blobs: BlobsHow;
}

async function backup(work: Work, options: BackupOptions): Promise<void> {
  const { backUpState } = await import('@lastcall/up');
  const { to, withKeys: keys, blobs } = options;
  const done = await backUpState({ dataDir: dataDirOf(work, options.data), to, keys, blobs });
  if (isRejected(done)) throw new RejectedError(done);
  work.print({ ...summary(done), folder: done.folder }, () => fields([['Folder', done.folder], ...lines(done)]));
  if (keys) work.io.err.write('Whoever has this backup is Lastcall to every host: keep it like a key.\n');
}

async function check(work: Work, { from }: { readonly from: string }): Promise<void> {
  const { checkBackup } = await import('@lastcall/up');
  const manifest = await checkBackup(from);
  if (isRejected(manifest)) throw new RejectedError(manifest);
  work.print({ ...summary({ manifest }), folder: from }, () => fields([['Good', from], ...lines({ manifest })]));
}

interface RestoreOptions {
  readonly from: string;
  readonly data?: string;
  readonly keysFrom?: string;
  readonly withoutKeys?: boolean;
}

async function restore(work: Work, { from, data, keysFrom, withoutKeys }: RestoreOptions): Promise<void> {
  const { restoreState } = await import('@lastcall/up');
  const done = await restoreState({ from, dataDir: dataDirOf(work, data), keysFrom, withoutKeys });
  if (isRejected(done)) throw new RejectedError(done);
  work.print({ ...summary(done), dataDir: done.dataDir }, () =>
    fields([
      ['Data', done.dataDir],
      ...lines(done).filter(([label]) => label !== 'Keys'),
      ['Start', `lastcall up --data ${done.dataDir}`],
    ]),
  );
}

function dataDirOf({ io }: Work, data: string | undefined): string {
  return data ?? (io.env['LASTCALL_DATA_DIR'] || './lastcall-data');
}

type OfBackup = Pick<BackedUp, 'manifest'>;

function summary({ manifest }: OfBackup) {
  const { takenAt, keys, blobs, files } = manifest;
  return { takenAt, keys, blobs, files: files.length, bytes: sizeOf({ manifest }) };
}

function lines({ manifest }: OfBackup): [string, string][] {
  const { keys, blobs, files } = manifest;
  return [
    ['As it was', time(new Date(manifest.takenAt), ownZone()) ?? manifest.takenAt],
    ['Size', `${bytes(sizeOf({ manifest }))} in ${count(files.length, 'file')}`],
    ['Keys', keys ? 'in it' : 'not in it; a restore needs them from elsewhere (--with-keys)'],
    ['Blobs', blobs ? 'in it' : 'not in it; publish the releases again after a restore'],
  ];
}

function sizeOf({ manifest }: OfBackup): number {
  return manifest.files.reduce((sum, file) => sum + file.bytes, 0);
}
