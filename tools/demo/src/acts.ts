import type { Child } from '@lastcall/testkit';
import { setTimeout as delay } from 'node:timers/promises';
import {
  check,
  currentVersion,
  dataIs,
  drainEndedEarly,
  exemptLeftLast,
  everyHostHas,
  firstStartCameFirst,
  nobodyInsideMeanwhile,
  readData,
  usersWereTreatedWell,
  type Check,
} from './evidence.js';
import { addHost, databaseFile, HOSTS, INSTALLATION, LATE, startAgent } from './site.js';
import type { Stage } from './stage.js';
import type { Play } from './play.js';
import { createUsers, type User } from './users.js';
import { sendWave } from './wave.js';

/*
 * The acts of the demo for an installation with many users.
 */

const REACTION_S = 4;
/** The administrators' user, who may be inside until the install starts. */
const SUPPORT = 'jan-4';
/** Who is not ready yet when the update begins. */
const BUSY = 'dora-2';
const HOLD_MINUTES = 5;
const ZONE = 'Europe/Berlin';

export interface Opened {
  readonly users: readonly User[];
  /** Agent of the workstation that is going to be switched off. */
  readonly late: Child;
}

export async function openSite({ stage, site, releases }: Play): Promise<Opened> {
  stage.act('A product, an installation, four hosts');
  await stage.type('lastcall', ['release', 'publish', releases['11.0.0']]);
  const settings = ['--product', 'encore', '--kind', 'multi-user', '--zone', ZONE, '--reaction-time', `${REACTION_S}s`];
  const calendar = ['--hours', 'mon-fri 08:00-18:00', '--holidays-of', 'DE-BE'];
  await stage.type('lastcall', [
    'installation',
    'add',
    INSTALLATION,
    ...settings,
    ...calendar,
    '--title',
    'Encore, Berlin',
  ]);
  await stage.type('lastcall', [
    ...['token', 'create', 'encore-clients', '--role', 'client', '--installation', INSTALLATION],
    ...['--out', site.clientTokenFile],
  ]);
  await stage.type('lastcall', ['installation', 'set', INSTALLATION, '--exempt-user', SUPPORT]);
  const [server, ...others] = HOSTS;
  if (server) await addHost(stage, site, server, INSTALLATION, true);
  for (const host of others) await addHost(stage, site, host, INSTALLATION, true);
  const late = await addHost(stage, site, LATE, INSTALLATION, true);
  await stage.type('lastcall', ['host', 'list']);

  stage.act('40 users log in and work');
  const users = createUsers(stage, site);
  await Promise.all(users.map((user) => user.sees(/ logged in$/)));
  await work(users, 'premiere');
  await stage.type('lastcall', ['session', 'list', '--host', 'desk1']);
  return { users, late };
}

/** Every user books a seat and leaves a draft open. */
async function work(users: readonly User[], event: string): Promise<void> {
  for (const user of users) user.mark();
  users.forEach((user, i) => {
    user.type(`book ${event} ${i + 1}-1 ${user.name}`);
    user.type(`draft half a booking for ${event}`);
  });
  await Promise.all(users.map((user) => user.sees(/ booked /)));
}

interface Update {
  readonly job: string;
  readonly version: string;
  /** Exit code of `run watch`. */
  readonly exit: number;
  readonly options?: readonly string[];
  /** What the users do when they have been told. */
  readonly act?: () => Promise<void>;
}

interface Updated {
  readonly begun: number;
  /** What was said of the time before it was saved. */
  readonly advice: readonly string[];
}

/** In how many seconds it is due: time to see that it waits, and to be saved before, where a command takes its time. */
async function leadSeconds(stage: Stage): Promise<number> {
  const begun = Date.now();
  await stage.run('lastcall', ['job', 'list']);
  return Math.max(3, Math.ceil((4 * (Date.now() - begun)) / 1_000));
}

/**
 * A job for a few seconds ahead, as a person makes it, and the run to its end. The demo is played at any time of the day, so that it may be inside
 * business hours is confirmed beforehand.
 */
async function updateTo({ stage }: Play, users: readonly User[], update: Update): Promise<Updated> {
  const { job, version, exit, options = [], act } = update;
  const lead = await leadSeconds(stage);
  const begun = Date.now();
  for (const user of users) user.mark();
  const fields = ['--job', job, '--title', `Encore ${version}`, '--version', version, '--in', `${lead}s`];
  const confirmed = ['--confirm', 'inside-business-hours'];
  const saved = await stage.type('lastcall', [
    'update',
    'now',
    '--yes',
    '--no-watch',
    ...fields,
    ...confirmed,
    ...options,
  ]);
  await Promise.all(users.slice(0, 10).map((user) => user.sees(/message: /).then(() => user.type('ok'))));
  await act?.();
  const { lines } = await stage.run('lastcall', ['run', 'list', '--job', job, '-o', 'json']);
  const { runs } = JSON.parse(lines.join('\n')) as { runs: { name: string }[] };
  const run = runs[0]?.name.split('/').pop() ?? '';
  await stage.type('lastcall', ['run', 'watch', run], { expect: [exit] });
  return { begun, advice: saved.lines.filter((line) => line.startsWith('  ')).map((line) => line.trim()) };
}

function wasAdvised(advice: readonly string[], expected: RegExp): Check {
  const found = advice.find((fact) => expected.test(fact));
  return check('its advice was shown before it was saved', found !== undefined, found ?? advice.join('; '));
}

/** One is busy and asks for time; when all have saved their work, nobody waits for the rest of it. */
async function holdAndGetReady(stage: Stage, users: readonly User[]): Promise<void> {
  const busy = users.find(({ name }) => name === BUSY);
  await busy?.sees(/message: /);
  busy?.type(`hold ${HOLD_MINUTES} month-end posting is running`);
  await busy?.sees(/they wait for you/);
  await stage.type('lastcall', ['hold', 'list']);
  for (const user of users) if (user.name !== SUPPORT) user.type('ready');
}

export async function goodUpdate(play: Play, { users, late }: Opened): Promise<Check[]> {
  const { stage, releases } = play;
  stage.act('A new release is published, and a job is saved for it');
  await stage.type('lastcall', ['release', 'publish', releases['11.1.0']]);
  await stage.type('lastcall', ['update', 'check']);
  await stage.type('lastcall', ['job', 'suggest-time']);
  await stage.type('lastcall', ['preflight', 'check']);
  stage.say(`(${LATE.id} is switched off)`);
  await late.stop();
  const before = readData(stage).bookings;
  const { begun, advice } = await updateTo(play, users, {
    ...{ job: 'to-11-1-0', version: '11.1.0', exit: 0, options: ['--holds'] },
    act: () => holdAndGetReady(stage, users),
  });
  await Promise.all(users.map((user) => user.sees(/\[Encore 11\.1\.0\].* logged in$/)));
  const data = readData(stage);
  return [
    wasAdvised(advice, /\b\d+ users logged in now/),
    ...usersWereTreatedWell(users, begun, REACTION_S * 1_000, '11.1.0'),
    drainEndedEarly(users, begun, REACTION_S * 1_000 + HOLD_MINUTES * 60_000),
    exemptLeftLast(stage, users, begun, SUPPORT),
    nobodyInsideMeanwhile(stage, users, begun),
    everyHostHas(stage, '11.1.0', releases['11.1.0']),
    firstStartCameFirst(stage, users, begun, '11.1.0'),
    ...dataIs(2, before, data),
    check(
      'open work was saved',
      users.every((u) => data.drafts.has(u.name)),
      `${data.drafts.size} drafts`,
    ),
  ];
}

export async function brokenUpdate(play: Play, users: readonly User[]): Promise<Check[]> {
  const { stage, releases } = play;
  stage.act('The next release migrates the data, and then fails its health check');
  await work(users, 'matinee');
  await sendWave(play, releases['11.2.0']);
  const before = readData(stage).bookings;
  const { begun, advice } = await updateTo(play, users, { job: 'to-11-2-0', version: '11.2.0', exit: 1 });
  await Promise.all(users.map((user) => user.sees(/\[Encore 11\.1\.0\].* logged in$/)));
  for (const user of users) user.mark();
  users[0]?.type('book gala 1-1 after-the-rollback');
  await users[0]?.sees(/ booked gala/);
  const data = readData(stage);
  return [
    // The run before was measured.
    wasAdvised(advice, /takes about .*measured: 1 run/),
    ...usersWereTreatedWell(users, begun, REACTION_S * 1_000, '11.1.0'),
    everyHostHas(stage, '11.1.0', releases['11.1.0']),
    ...dataIs(2, before, data),
    check('the application works', data.bookings.has('gala 1-1'), 'a seat was booked after the rollback'),
    check('nothing of the broken release is left in the data', !data.tables.includes('customers'), databaseFile(stage)),
  ];
}

/** The workstation that slept through the update is switched on, and follows by itself. */
export async function lateWorkstation({ stage }: Play): Promise<Check[]> {
  stage.act(`${LATE.id} is switched on`);
  const slept = currentVersion(stage, LATE.id).version;
  const agent = await startAgent(stage, LATE.id);
  await agent.until(/"order ended".*"installedVersion":"11\.1\.0"/, 60_000);
  const { version } = currentVersion(stage, LATE.id);
  await stage.type('lastcall', ['host', 'list']);
  return [
    check('it slept through the update', slept === '11.0.0', slept),
    check('it followed', version === '11.1.0', version),
  ];
}

/** Until Ctrl-C. */
export async function keepOpen(stage: Stage, signal: AbortSignal): Promise<void> {
  stage.say(`\nEverything goes on in ${stage.dir}. Ctrl-C ends it.`);
  await delay(2 ** 31 - 1, undefined, { signal, ref: true }).catch(() => undefined);
}
