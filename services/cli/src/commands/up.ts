import { isRejected, RejectedError } from '@lastcall/kernel';
import { choice } from '../option-values.js';
import type { Cli } from '../define.js';
import { fields } from '../render/text.js';
import type { Work } from '../work.js';

interface UpOptions {
  readonly data?: string;
  readonly grpc?: string;
  readonly http?: string;
  readonly prepare?: boolean;
  readonly logLevel?: string;
}

export function addUp(cli: Cli): void {
  cli.define<UpOptions>(
    cli.program,
    {
      use: 'up',
      does: 'Runs everything for one site: all services, in this process, until it is told to stop',
      example: 'lastcall up --data /srv/lastcall',
      renews: false,
      options: (command) =>
        command
          .option('--data <folder>', 'data folder (default: LASTCALL_DATA_DIR, else ./lastcall-data)')
          .option('--grpc <host:port>', 'where calls are answered (default: 127.0.0.1:7421)')
          .option('--http <host:port>', 'where blobs and metadata are (default: 127.0.0.1:7420)')
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
  });
  if (isRejected(running)) throw new RejectedError(running);
  const { dataDir, grpcAddress, httpUrl, operatorTokenFile } = running;
  work.print({ dataDir, grpcAddress, httpUrl, operatorTokenFile }, () =>
    fields([
      ['Lastcall', 'is running; Ctrl-C stops it'],
      ['Calls', grpcAddress],
      ['Blobs', httpUrl],
      ['Data', dataDir],
      ['Credential', operatorTokenFile],
    ]),
  );
  await stopped;
  await running.stop();
}
