import { DAY_MS, HOUR_MS, isRejected, RejectedError } from '@lastcall/kernel';
import type { RunningUp } from '@lastcall/up';
import { UsageError } from '../failures.js';
import { choice, spanOption, wholeOption } from '../option-values.js';
import type { Cli } from '../define.js';
import { fields } from '../render/text.js';
import { span } from '../render/time.js';
import type { Work } from '../work.js';

interface UpOptions {
  readonly data?: string;
  readonly grpc?: string;
  readonly http?: string;
  readonly prepare?: boolean;
  readonly logLevel?: string;
  readonly backupTo?: string;
  readonly backupEvery?: string;
  readonly backupKeep?: string;
  readonly backupWithKeys?: boolean;
}

export function addUp(cli: Cli): void {
  cli.define<UpOptions>(
    cli.program,
    {
      use: 'up',
      does: 'Runs everything for one site: all services, in this process, until it is told to stop',
      example: 'lastcall up --data /srv/lastcall --backup-to /mnt/backup',
      renews: false,
      options: (command) =>
        command
          .option('--data <folder>', 'data folder (default: LASTCALL_DATA_DIR, else ./lastcall-data)')
          .option('--grpc <host:port>', 'where calls are answered (default: 127.0.0.1:7421)')
          .option('--http <host:port>', 'where blobs and metadata are (default: 127.0.0.1:7420)')
          .option('--backup-to <folder>', 'back up its own state there, regularly; the folder has to be there')
          .option('--backup-every <span>', 'from one to the next, 1h to 30d (default: 24h)')
          .option('--backup-keep <count>', 'how many of them are kept, the newest (default: 7)')
          .option('--backup-with-keys', 'signing keys and credentials too; keep those backups like a key')
          .option('--prepare', 'only make keys and credentials, then end')
          .addOption(choice('--log-level <level>', 'how much is logged', ['error', 'warn', 'info', 'debug'])),
    },
    up,
  );
}

async function up(work: Work, options: UpOptions): Promise<void> {
  // The services, their databases and their transports are only loaded here: every other command starts without them.
  const { prepare, startUp } = await import('@lastcall/up');
  if (options.prepare) {
    const dataDir = options.data ?? (work.io.env['LASTCALL_DATA_DIR'] || './lastcall-data');
    const operatorTokenFile = await prepare(dataDir);
    return work.print({ dataDir, operatorTokenFile }, () => fields([['Credential', operatorTokenFile]]));
  }
  const stopped = work.io.stopped();
  const env = { ...work.io.env, ...(options.logLevel && { LASTCALL_LOG_LEVEL: options.logLevel }) };
  const running = await startUp({
    env,
    dataDir: options.data,
    grpcAddress: options.grpc,
    httpAddress: options.http,
    ...backupOptions(options),
  });
  if (isRejected(running)) throw new RejectedError(running);
  const { dataDir, grpcAddress, httpUrl, operatorTokenFile, backups } = running;
  work.print({ dataDir, grpcAddress, httpUrl, operatorTokenFile, ...(backups && { backups }) }, () =>
    fields([
      ['Lastcall', 'is running; Ctrl-C stops it'],
      ['Calls', grpcAddress],
      ['Blobs', httpUrl],
      ['Data', dataDir],
      ['Credential', operatorTokenFile],
      ...backupLines(backups),
    ]),
  );
  if (backups?.problem) work.io.err.write(`Backups of its own state cannot be taken: ${backups.problem}.\n`);
  await stopped;
  await running.stop();
}

function backupOptions({ backupTo, backupEvery, backupKeep, backupWithKeys }: UpOptions) {
  const backupEveryMs = backupEvery === undefined ? undefined : spanOption('--backup-every', backupEvery);
  if (backupEveryMs !== undefined && (backupEveryMs < HOUR_MS || backupEveryMs > 30 * DAY_MS)) {
    throw new UsageError(`--backup-every is ${JSON.stringify(backupEvery)}; allowed are 1h to 30d`);
  }
  return { backupTo, backupEveryMs, backupKeep: wholeOption('--backup-keep', backupKeep, 1, 1_000), backupWithKeys };
}

function backupLines(backups: RunningUp['backups']): [string, string][] {
  if (!backups) return [];
  const { to, everyMs, keep, keys } = backups;
  return [
    ['Backups', `each ${span(everyMs)} to ${to}, ${keys ? 'with' : 'without'} keys, the newest ${keep} are kept`],
  ];
}
