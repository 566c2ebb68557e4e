import { until } from '@lastcall/testkit';
import { sessionV1, type commonV1, type schedulerV1 } from '@lastcall/contracts';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { installedVersion } from './services.js';
import type { SimUser } from './sim-user.js';
import type { Place } from './world.js';

/*
 * What is left when a run has ended, read from the disks, the catalog and the gate: not from what the run says about itself.
 */

export interface Remains {
  /** Version that `current` leads to, by host. */
  readonly versions: Readonly<Record<string, string>>;
  /** Version that the application's data is of. */
  readonly data: string;
  readonly entries: readonly string[];
  /** What the catalog says is installed. */
  readonly installed: string | undefined;
  /** Files and folders of work that was begun and not ended. */
  readonly unfinished: readonly string[];
  readonly gate: string;
  readonly alarm: boolean;
  readonly shutHosts: readonly string[];
}

export async function remainsOf(world: Place): Promise<Remains> {
  const versions: Record<string, string> = {};
  const unfinished = await unfinishedIn(world);
  for (const { id } of world.hosts) versions[id] = await world.versionOn(id);
  const { version: data, entries } = await world.data();
  const { state, alarm, shutHosts } = await world.gate();
  const gate = sessionV1.gateStateToJSON(state).replace('GATE_STATE_', '');
  const installed = await installedVersion(world.services, world.parent);
  return { versions, data, entries, installed, unfinished, gate, alarm, shutHosts: Object.keys(shutHosts) };
}

/** A run that failed on one host does not wait for what another is doing; that one has a moment to end it. */
async function unfinishedIn(world: Place): Promise<readonly string[]> {
  const look = async (): Promise<readonly string[]> =>
    (await Promise.all(world.hosts.map(({ id }) => unfinishedOn(world.dirOf(id))))).flat();
  const nothing = async (): Promise<boolean> => (await look()).length === 0;
  await until(nothing, 'the hosts to end what they were at', 20_000).catch(() => undefined);
  return look();
}

async function unfinishedOn(dir: string): Promise<readonly string[]> {
  const of = async (folder: string, fits: (name: string) => boolean): Promise<string[]> =>
    (await readdir(join(dir, folder))).filter(fits).map((name) => join(folder, name));
  return [
    ...(await of('scratch', () => true)),
    ...(await of('backups', (name) => name.startsWith('.'))),
    ...(await of('.', (name) => name.endsWith('.next'))),
  ];
}

/** Everything on one version, the gate open, nothing half done. */
export function allOn(world: Place, version: string, entries: readonly string[] = []): Remains {
  const versions = Object.fromEntries(world.hosts.map(({ id }) => [id, version]));
  const open = { gate: 'OPEN', alarm: false, shutHosts: [] };
  return { versions, data: version, entries, installed: version, unfinished: [], ...open };
}

/** What was not right for a user since entry `from` of their log: logged off without being told although connected, or early. */
export function unfairness(user: SimUser, from: number): readonly string[] {
  const wrong: string[] = [];
  let deadline: number | undefined;
  let connected = true;
  for (const { what, at, detail } of user.log.slice(from)) {
    if (what === 'in' || what === 'lost') connected = what === 'in';
    if (what === 'told') deadline = Number(detail);
    if (what !== 'off' || detail !== 'deadline' || !connected) continue;
    if (deadline === undefined) wrong.push(`${user.name} was logged off without a notice`);
    else if (at < deadline - 50) wrong.push(`${user.name} was logged off ${deadline - at} ms too early`);
  }
  return wrong;
}

/** Remembers where everybody's log stands; answers what has happened to them since. */
export function watchUsers(world: Place): () => readonly string[] {
  const from = world.users.map((user) => user.log.length);
  return () => world.users.flatMap((user, i) => user.log.slice(from[i]).map(({ what }) => `${user.name} ${what}`));
}

export function eventsOf(run: schedulerV1.Run): readonly string[] {
  return run.timeline.map((entry) => entry.event);
}

/** The report of a run, which must say what the run says. */
export async function reportOf(
  { services }: Place,
  run: schedulerV1.Run,
): Promise<{
  readonly outcome: commonV1.RunOutcome;
  readonly reason: string | undefined;
  readonly gateShutMs: number;
}> {
  const { report } = await services.scheduler.getRunReport({ name: run.name });
  const { seconds = 0n, nanos = 0 } = report?.gateShut ?? {};
  const outcome = report?.run?.outcome ?? 0;
  return { outcome, reason: report?.run?.failure?.reason, gateShutMs: Number(seconds) * 1_000 + nanos / 1e6 };
}
