import { DAY_MS, isRejected, RejectedError, SECOND_MS, type RejectionCode } from '@lastcall/kernel';
import { CallError, CODE } from '@lastcall/sdk';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseAddress, urlOf } from './peer/address.js';
import { parseRate } from './blobs/rate-limit.js';
import { parseEnvironment } from './host-record.js';
import { installHere } from './install.js';
import { joinInstallation } from './join.js';
import { createLog, messageOf } from './log.js';
import { layoutOf } from './layout.js';
import { describeHost } from './platform/describe-host.js';
import { DEFAULT_DATA_DIR } from './program/choose-program.js';
import { runUntilStopped, takeOver, type RunOptions } from './program/run.js';
import { tryOut } from './program/try-out.js';
import { rotateKeyHere } from './rotate-key.js';
import { addSeatCommands } from './seat/commands.js';
import { KEEP_BY_DEFAULT, type KeepPolicy } from './retention.js';
import { formatStatus, readStatus } from './status.js';
import { AGENT_VERSION } from './version.js';

/*
 * The command line of the agent. Exit codes as of `lastcall`: 0 done, 1 the operation failed, 2 usage, 3 refused, 4 not found, 5 not
 * reachable, 6 not permitted. 75 is for the launcher: another agent has taken over and is to be started in the place of this one.
 */

const EXIT_OF_REJECTION: Readonly<Record<RejectionCode, number>> = {
  invalid: 2,
  'not-found': 4,
  'already-exists': 3,
  conflict: 3,
  refused: 3,
  'confirmation-required': 3,
  unauthenticated: 6,
  'not-permitted': 6,
  'too-many': 3,
};

const EXIT_OF_CALL: ReadonlyMap<number, number> = new Map([
  [CODE.invalidArgument, 2],
  [CODE.notFound, 4],
  [CODE.unavailable, 5],
  [CODE.deadlineExceeded, 5],
  [CODE.permissionDenied, 6],
  [CODE.unauthenticated, 6],
  [CODE.failedPrecondition, 3],
  [CODE.alreadyExists, 3],
]);

interface JoinFlags {
  data: string;
  addr: string;
  token?: string;
  tokenFile?: string;
  env: string[];
  tlsCa?: string;
  tlsCert?: string;
  tlsKey?: string;
  newKey?: boolean;
  maxRate?: string;
  maxRateInHours?: string;
  serve?: string;
  peer?: string;
  backupKeyFile?: string;
  backups?: string;
  run?: boolean;
}

interface RunFlags {
  data: string;
  takeOver?: boolean;
  takeOverSeconds?: number;
  settleSeconds?: number;
  keepVersions?: number;
  keepGib?: number;
  serveGib?: number;
  keyDays?: number;
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

const keepVersions = () =>
  new Option('--keep-versions <n>', 'installed versions that stay on the host, 2 to 100 (default 3)').argParser(
    wholeNumber(2, 100),
  );
const keepGib = () =>
  new Option('--keep-gib <n>', 'GiB that they may take beyond the current and the previous one (default 20)').argParser(
    wholeNumber(0, 1_000_000),
  );

const serveGib = () =>
  new Option('--serve-gib <n>', 'GiB of blobs that may lie here for other hosts (default 20)').argParser(
    wholeNumber(1, 1_000_000),
  );

const keyDays = () =>
  new Option(
    '--key-days <n>',
    'age at which another key follows the one of this host, 0 to 3650 days (default 90; 0: never by itself)',
  ).argParser(wholeNumber(0, 3_650));

function keepPolicyOf({ keepVersions: versions, keepGib: gib }: Partial<RunFlags>): KeepPolicy {
  const { versions: usual, maxBytes } = KEEP_BY_DEFAULT;
  return { versions: versions ?? usual, maxBytes: gib === undefined ? maxBytes : gib * 1024 ** 3 };
}

function createProgram(): Command {
  const program = new Command('lastcall-agent')
    .description('Carries out what Lastcall orders on one host: stages, backs up, installs, rolls back.')
    .version(AGENT_VERSION)
    .enablePositionalOptions()
    .exitOverride();
  const data = () => new Option('--data <dir>', 'data folder of the agent').default(DEFAULT_DATA_DIR);
  program
    .command('join')
    .description('join an installation with a one-time token (lastcall host join-token)')
    .addOption(data())
    .requiredOption('--addr <host:port>', 'address of the services')
    .option('--token <token>', 'one-time token')
    .option('--token-file <file>', 'file that holds the token (it is then not seen in the list of processes)')
    .option('--env <KEY=VALUE...>', "variables for the manifest's commands", [])
    .option('--tls-ca <file>', "authority of the services' certificate (PEM); without it: plain text")
    .option('--tls-cert <file>', 'certificate of this host (PEM), where the services ask for one; needs --tls-key')
    .option('--tls-key <file>', 'key of that certificate (PEM)')
    .option('--max-rate <rate>', 'bytes a second that downloads may take, such as 20M; without it: no limit')
    .option('--max-rate-in-hours <rate>', 'the same during the business hours of the installation')
    .option('--serve <host:port>', 'gives blobs to the other hosts on this address; without it: to nobody')
    .option('--peer <host:port>', 'the host that serves: it is asked for blobs before the catalog')
    .option('--backup-key-file <file>', 'encrypts backups with the keys in this file (mode 0600); without it: not')
    .option('--backups <dir>', 'folder of the restore points; without it: backups in the data folder')
    .option('--new-key', 'make another key for this host, whatever was there')
    .option('--run', 'go on as "run"')
    .action(join);
  program
    .command('run')
    .description('connect and work')
    .addOption(data())
    .addOption(keepVersions())
    .addOption(keepGib())
    .addOption(serveGib())
    .addOption(keyDays())
    .addOption(
      new Option(
        '--take-over-seconds <n>',
        'how long a new agent may take until the services have accepted it (default 60)',
      ).argParser(wholeNumber(1, 3_600)),
    )
    .addOption(
      new Option('--settle-seconds <n>', 'how long a new agent has to work before it counts (default 10)').argParser(
        wholeNumber(0, 3_600),
      ),
    )
    .addOption(new Option('--take-over', 'of the agent that started this one').hideHelp())
    .action(run);
  program
    .command('try-out')
    .description(
      'say whether this agent can work on a data folder that another one works on (JSON); it changes nothing',
    )
    .addOption(data())
    .action(async ({ data: dir }: { data: string }) => {
      process.stdout.write(`${JSON.stringify(await tryOut(dir))}\n`);
    });
  program
    .command('install')
    .description(
      'stage a published release and install it here and now (first installation; the agent must not be running)',
    )
    .addOption(data())
    .requiredOption('--version <version>', 'version to install')
    .addOption(keepVersions())
    .addOption(keepGib())
    .action(install);
  program
    .command('rotate-key')
    .description('make another key for this host now; the one before ends with the next stream of the agent')
    .addOption(data())
    .action(async ({ data: dir }: { data: string }) => {
      process.stdout.write(`The key of this host is ${await rotateKeyHere(dir)} now.\n`);
    });
  program
    .command('status')
    .description('say what this data folder holds')
    .addOption(data())
    .addOption(new Option('-o, --output <format>').choices(['text', 'json']).default('text'))
    .action(status);
  addSeatCommands(program);
  program
    .command('platform')
    .description('say what the agent can see and do on this operating system (JSON); it changes nothing')
    .addOption(data())
    .option('--service <name>', 'name of the service to look for', 'lastcall-agent')
    .action(platform);
  return program;
}

async function join(flags: JoinFlags): Promise<void> {
  const token = flags.tokenFile === undefined ? flags.token : readFileSync(flags.tokenFile, 'utf8').trim();
  if (!token) throw new UsageError('give --token or --token-file ("lastcall host join-token" makes one)');
  const record = await joinInstallation({
    dataDir: flags.data,
    address: addressOf(flags.addr),
    token,
    env: parseEnvironment(flags.env),
    tlsCaFile: flags.tlsCa === undefined ? '' : resolve(flags.tlsCa),
    ...certificateOf(flags),
    ...(flags.newKey && { newKey: true }),
    ...(flags.maxRate !== undefined && { maxRate: parseRate('--max-rate', flags.maxRate) }),
    ...(flags.maxRateInHours !== undefined && {
      maxRateInHours: parseRate('--max-rate-in-hours', flags.maxRateInHours),
    }),
    ...servingOf(flags),
    ...(flags.backupKeyFile !== undefined && { backupKeyFile: resolve(flags.backupKeyFile) }),
    ...(flags.backups !== undefined && { backupsFolder: resolve(flags.backups) }),
  });
  process.stdout.write(`Joined ${record.installation} as ${record.host} (${record.role}, ${record.product}).\n`);
  if (flags.run) await run(flags);
}

/** People paste what a browser shows. */
function addressOf(text: string): string {
  const bare = text.replace(/^https?:\/\//, '').replace(/\/+$/, '');
  const address = text.startsWith('https://') && !/:\d+$/.test(bare) ? `${bare}:443` : bare;
  parseAddress('--addr', address);
  return address;
}

function certificateOf({ tlsCa, tlsCert, tlsKey }: JoinFlags): { tlsCertFile?: string; tlsKeyFile?: string } {
  if (tlsCert === undefined && tlsKey === undefined) return {};
  if (tlsCert === undefined || tlsKey === undefined) throw new UsageError('give --tls-cert and --tls-key together');
  if (tlsCa === undefined) throw new UsageError('give --tls-ca with --tls-cert: without it the line is plain text');
  return { tlsCertFile: resolve(tlsCert), tlsKeyFile: resolve(tlsKey) };
}

/** Whoever serves asks himself. */
function servingOf({ serve, peer }: JoinFlags): { serve?: string; peer?: string } {
  if (serve !== undefined && peer !== undefined)
    throw new UsageError('give --serve or --peer: who serves asks nobody but the catalog');
  if (serve !== undefined) parseAddress('--serve', serve);
  return {
    ...(serve !== undefined && { serve }),
    ...(peer !== undefined && { peer: urlOf(parseAddress('--peer', peer)) }),
  };
}

async function run({
  data,
  takeOverSeconds,
  settleSeconds,
  serveGib: gib,
  keyDays: days,
  ...flags
}: RunFlags): Promise<void> {
  const asked = new AbortController();
  // Not `once`: a terminal and the launcher may both send it, and the second must not end the orderly stop.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => asked.abort(signal));
  // The launcher that started this process is gone.
  process.once('disconnect', () => asked.abort('disconnect'));
  const ms = (seconds: number | undefined) => (seconds === undefined ? undefined : seconds * SECOND_MS);
  const options: RunOptions = {
    ...{ dataDir: data, log: createLog(), keep: keepPolicyOf(flags), stop: asked.signal },
    ...{ takeOverMs: ms(takeOverSeconds), settleMs: ms(settleSeconds) },
    ...(gib !== undefined && { serveMaxBytes: gib * 1024 ** 3 }),
    ...(days !== undefined && { keyMaxAgeMs: days * DAY_MS }),
  };
  if (flags.takeOver) return takeOver(options);
  if ((await runUntilStopped(options)) === 'follow') throw new Followed();
}

async function install({ data, version, ...keep }: RunFlags & { version: string }): Promise<void> {
  const options = { dataDir: data, log: createLog(), keep: keepPolicyOf(keep) };
  const installed = await installHere(options, version);
  if (installed.failure) throw new OperationFailed(`${installed.failure.reason}: ${installed.failure.message}`);
  process.stdout.write(`Version ${installed.version} is installed and running.\n`);
}

async function status({ data, output }: { data: string; output: string }): Promise<void> {
  const found = await readStatus(data);
  process.stdout.write(`${output === 'json' ? JSON.stringify(found, null, 2) : formatStatus(found)}\n`);
}

async function platform({ data, service }: { data: string; service: string }): Promise<void> {
  process.stdout.write(`${JSON.stringify(await describeHost(layoutOf(data), service), null, 2)}\n`);
}

class UsageError extends Error {}
class OperationFailed extends Error {}
/** By another agent. */
class Followed extends Error {}

const EXIT_FOLLOWED = 75;

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError) return 2;
  if (error instanceof Followed) return EXIT_FOLLOWED;
  if (error instanceof RejectedError && isRejected(error.rejected)) return EXIT_OF_REJECTION[error.rejected.code];
  if (error instanceof CallError) return EXIT_OF_CALL.get(error.code) ?? 1;
  return 1;
}

/** Runs one command line and answers its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError || error instanceof Followed))
      process.stderr.write(`lastcall-agent: ${messageOf(error)}\n`);
    return exitCodeOf(error);
  }
}

if (require.main === module) {
  void main(process.argv.slice(2)).then((code) => process.exit(code));
}
