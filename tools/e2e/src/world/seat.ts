import { findFreePorts, startChild, type Child } from '@lastcall/testkit';
import { randomBytes } from 'node:crypto';
import { cpSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AGENT, LASTCALL, ROOT, startProgram } from './lastcall-processes.js';

/*
 * A vendor with a web space and a computer with Encore on it: everything real, and after the export no server of Lastcall anywhere.
 */

/** Big enough to be stopped in the middle, differs from version to version. */
const MEDIA_BYTES = 2 * 1024 * 1024;
const VERSIONS = ['11.0.0', '11.1.0', '11.2.0'];

export async function run(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = startProgram(file, args, env);
  const { code } = await child.exited;
  return { code, text: child.lines.join('\n') };
}

async function must(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { code, text } = await run(file, args, env);
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}:\n${text}`);
  return text;
}

/** Publishes Encore to a catalog of its own, exports after each release, and switches the catalog off. Answers the folder by its newest version or its channel. */
export async function exportReleases(dir: string): Promise<(what: string) => string> {
  await must(join(ROOT, 'tools/sample-app/dist/main.js'), [join(dir, 'encore')]);
  const dataDir = join(dir, 'lastcall');
  const [grpc, http] = await findFreePorts(2);
  const up = startProgram(LASTCALL, [
    'up',
    '--data',
    dataDir,
    '--grpc',
    `127.0.0.1:${grpc}`,
    '--http',
    `127.0.0.1:${http}`,
  ]);
  try {
    await up.until(/is running/, 60_000);
    const env = { LASTCALL_DATA_DIR: dataDir };
    for (const version of VERSIONS) {
      const release = join(dir, 'encore', version);
      writeFileSync(join(release, 'server', 'media.bin'), randomBytes(MEDIA_BYTES));
      await must(LASTCALL, ['release', 'publish', release], env);
      await publishOddOnes(release, version, env);
      await must(LASTCALL, ['mirror', 'export', '--to', join(dir, 'web')], env);
      cpSync(join(dir, 'web'), join(dir, `web-${version}`), { recursive: true });
      if (version !== '11.1.0') continue;
      for (const channel of ['preview', 'demanding']) {
        await must(LASTCALL, ['mirror', 'export', '--to', join(dir, `web-${channel}`), '--channel', channel], env);
      }
    }
  } finally {
    await up.stop();
  }
  return (what) => join(dir, `web-${what}`);
}

/** Beside 11.1.0: a preview, and a channel in which the newest wants the one before it. */
async function publishOddOnes(release: string, version: string, env: Readonly<Record<string, string>>): Promise<void> {
  if (version !== '11.1.0') return;
  const manifest = readFileSync(join(release, 'lastcall.yaml'), 'utf8');
  const publish = async (as: string, channel: string, text: string): Promise<void> => {
    const folder = join(release, '..', as);
    cpSync(release, folder, { recursive: true });
    writeFileSync(join(folder, 'lastcall.yaml'), text.replaceAll('11.1.0', as));
    await must(LASTCALL, ['release', 'publish', folder, '--channel', channel], env);
  };
  await publish('12.0.0-beta.1', 'preview', manifest);
  const demanding = 'updatesFrom: { oldest: 11.0.0, required: [11.1.1] }';
  await publish('11.1.1', 'demanding', manifest);
  await publish('11.1.2', 'demanding', manifest.replace(/^updatesFrom:.*$/m, demanding));
}

export interface Seat {
  readonly dir: string;
  readonly port: number;
  /** Version that `current` leads to. */
  version(): string;
  /** What the running server says it is; undefined when it does not answer. */
  alive(): Promise<string | undefined>;
  book(seat: string): Promise<void>;
  /** Schema and booked seats, from the file. */
  data(): { readonly schema: number; readonly seats: readonly string[] };
  status(): Promise<Record<string, unknown>>;
  agent(...args: readonly string[]): ReturnType<typeof run>;
  lastcall(...args: readonly string[]): ReturnType<typeof run>;
  drive(): Driven;
  startApplication(): Promise<void>;
  stopApplication(): Promise<void>;
}

/** `lastcall-agent seat drive` as a process that can be killed. */
export interface Driven {
  readonly child: Child;
  /** Resolves with the answer or refusal. */
  ask(command: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>>;
  tell(command: Readonly<Record<string, unknown>>): void;
}

function seatIn(dir: string, port: number): Seat {
  const env = { LASTCALL_SEAT: dir, LASTCALL_DATA_DIR: join(dir, 'no-server-here') };
  const seat: Seat = {
    ...{ dir, port },
    version: () => basename(readlinkSync(join(dir, 'current'))),
    alive: async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/alive`).catch(() => undefined);
      return ((await answer?.json()) as { version?: string } | undefined)?.version;
    },
    book: async (name) => {
      const booking = { event: 'premiere', seat: name, customer: 'ada', user: 'ada' };
      const answer = await fetch(`http://127.0.0.1:${port}/bookings`, {
        method: 'POST',
        body: JSON.stringify(booking),
      });
      if (answer.status !== 201) throw new Error(`${name} was not booked: ${answer.status}`);
    },
    data: () => readData(join(dir, 'data', 'encore.db')),
    status: async () =>
      JSON.parse((await run(AGENT, ['seat', 'status', '--data', dir])).text) as Record<string, unknown>,
    agent: (...args) => run(AGENT, [...args, '--data', dir]),
    lastcall: (...args) => run(LASTCALL, args, env),
    drive: () => drive(dir),
    startApplication: async () => {
      const its = { LASTCALL_DATA_DIR: join(dir, 'data'), ENCORE_PORT: String(port) };
      await must(join(dir, 'current', 'encore.js'), ['start'], its);
    },
    stopApplication: async () => {
      await run(join(dir, 'current', 'encore.js'), ['stop'], { LASTCALL_DATA_DIR: join(dir, 'data') });
    },
  };
  return seat;
}

/** With Encore 11.0.0 running. */
export async function setUpSeat(dir: string, url: string, rootFile: string): Promise<Seat> {
  const [port = 0] = await findFreePorts(1);
  const where = ['--url', url, '--product', 'encore', '--root', rootFile, '--env', `ENCORE_PORT=${port}`];
  await must(AGENT, ['seat', 'init', '--data', dir, ...where]);
  await must(AGENT, ['install', '--data', dir, '--version', '11.0.0']);
  return seatIn(dir, port);
}

/** The same computer a second time. The application must not run. */
export function copySeat(from: Seat, dir: string): Seat {
  cpSync(from.dir, dir, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  rmSync(join(dir, 'data', 'encore.pid'), { force: true });
  return seatIn(dir, from.port);
}

export function readData(file: string): { readonly schema: number; readonly seats: readonly string[] } {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const schema = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
    const rows = database.prepare('SELECT seat FROM bookings ORDER BY id').all();
    return { schema, seats: rows.map((row) => String(row['seat'])) };
  } finally {
    database.close();
  }
}

function drive(dir: string): Driven {
  const flags = ['--disable-warning=ExperimentalWarning'];
  const child = startChild(process.execPath, [...flags, AGENT, 'seat', 'drive', '--data', dir]);
  let id = 0;
  const tell = (command: Readonly<Record<string, unknown>>): void =>
    child.write(`${JSON.stringify({ id: ++id, ...command })}\n`);
  return {
    child,
    tell,
    ask: async (command) => {
      tell(command);
      const [line] = await child.until(new RegExp(`^.*"to":${id}[,}].*$`), 60_000);
      return JSON.parse(line) as Record<string, unknown>;
    },
  };
}
