import { type Command, Option } from 'commander';
import { readFileSync } from 'node:fs';
import { parseEnvironment } from '../host-record.js';
import { layoutOf } from '../layout.js';
import { createLog } from '../log.js';
import { createReleases } from '../releases.js';
import { driveSeat } from './drive.js';
import { setUpSeat } from './seat-record.js';
import { createSeat } from './seat.js';
import { viewOf, type SeatView } from './seat-view.js';

/* `lastcall-agent seat …`: a single seat that needs nothing but signed files on a web space. */

interface InitFlags {
  data: string;
  url: string;
  product: string;
  root: string;
  env: string[];
}

export function addSeatCommands(program: Command): void {
  const seat = program.command('seat').description('a single seat, updated from signed files on any web space');
  const data = () => new Option('--data <dir>', 'data folder of the agent').default('./lastcall-agent-data');
  seat
    .command('init')
    .description('make this data folder a single seat; "install" puts the first version there')
    .addOption(data())
    .requiredOption('--url <address>', 'where the signed files are (the folder of "lastcall mirror export")')
    .requiredOption('--product <product>', 'what is installed')
    .requiredOption('--root <file>', "the vendor's root of trust, tuf/root.json of the export; pinned once")
    .option('--env <KEY=VALUE...>', "variables for the manifest's commands", [])
    .action(init);
  seat
    .command('drive')
    .description('obey JSON lines on standard input; for the SDK and "lastcall update"')
    .addOption(data())
    .action(({ data: dir }: { data: string }) => driveSeat(dir, process.stdin, process.stdout));
  seat
    .command('at-start')
    .description('what a launcher calls before the application: installs what was put off to the next start')
    .addOption(data())
    .action(atStart);
  seat.command('status').description('say what this seat is and does (JSON)').addOption(data()).action(status);
}

function init({ data, url, product, root, env }: InitFlags): void {
  const program = [process.execPath, process.argv[1] ?? ''] as const;
  const pinned = readFileSync(root);
  setUpSeat({ dataDir: data, url, product, root: pinned, env: parseEnvironment(env), program });
  process.stdout.write(`This is a seat of ${product}, updated from ${url}.\n`);
}

async function atStart({ data }: { data: string }): Promise<void> {
  const seat = createSeat({ dataDir: data, log: createLog() });
  const before = await view(data, seat.book());
  await seat.atStart();
  const now = await view(data, seat.book());
  const { last } = now;
  if (last && last.at !== before.last?.at) process.stdout.write(`${last.result} ${last.version}\n`);
  else process.stdout.write('nothing to do\n');
}

async function status({ data }: { data: string }): Promise<void> {
  const seat = createSeat({ dataDir: data, log: createLog() });
  process.stdout.write(`${JSON.stringify(await view(data, seat.book()), null, 2)}\n`);
}

async function view(data: string, book: ReturnType<ReturnType<typeof createSeat>['book']>): Promise<SeatView> {
  return viewOf(book, await createReleases(layoutOf(data), '').installedVersion());
}
