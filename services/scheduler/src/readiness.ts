import { RejectedError, reject, type Rejected, type Violation } from '@lastcall/kernel';
import type { catalogV1 } from '@lastcall/contracts';
import type { Length } from './advice/length.js';
import { localTimeOf } from './calendar.js';
import { commandPlace, unknownCommandHosts } from './command-jobs.js';
import type { Unconnected } from './connections.js';
import { isPast, pastText, type JobDefinition } from './domain/job.js';
import type { JobId, Jobs, Timing } from './jobs.js';
import { maintenanceProblems, needsHosts } from './maintenance-windows.js';
import { estimateOf, minutes, windowOf, windowProblems } from './window.js';
import { canBeExcluded, hostsFor, type Catalog, type NoRelease, type Place } from './spec.js';

/*
 * What can be known of a job before its time: whether everything that it names is there, whether its window is long enough, and whether its
 * release may be taken. All of it is told at once.
 */

export interface ReadinessParts {
  readonly jobs: Pick<Jobs, 'get' | 'length'>;
  readonly catalog: Catalog;
  readonly unconnected: Unconnected;
}

export type About = 'start' | 'window' | 'hosts' | 'follow-up' | 'release';

export interface Obstacle {
  readonly about: About;
  readonly field: string;
  /** For programs, UPPER_SNAKE_CASE. */
  readonly reason: string;
  /** What is wrong, and what to do. */
  readonly description: string;
  /** It may go away by itself before the time comes: no reason not to enable the job. */
  readonly passing: boolean;
}

/** What is wrong with a definition that is saved, beyond what parseJob finds. */
export async function definitionProblems(
  jobs: ReadinessParts['jobs'],
  id: JobId,
  definition: JobDefinition,
  timing: Timing,
): Promise<readonly Violation[]> {
  const { place } = timing;
  const wrong: Violation[] = [...shortWindow(definition, timing), ...maintenanceProblems(definition, place)];
  if (definition.start.kind === 'when-idle' && place.kind === 'single-user') {
    const description = 'is for installations with many users; this one has a single seat';
    wrong.push({ field: 'job.start.when_idle', description });
  }
  const strange = unknownHost(definition, place);
  if (strange) wrong.push(strange);
  wrong.push(...wronglyExcluded(definition, place), ...unknownCommandHosts(definition, place));
  const problem = await followUpProblem(jobs, id, definition);
  if (problem !== undefined) wrong.push({ field: 'job.follow_up_job', description: problem });
  return wrong;
}

export interface Readiness {
  readonly obstacles: readonly Obstacle[];
  readonly release: catalogV1.Release | undefined;
  /** The installation; of a command with the hosts that it is for. */
  readonly place: Place;
}

/** What would keep a run of the job from being opened at its time, as far as that is known now. */
export async function obstaclesOf(
  { jobs, catalog, unconnected }: ReadinessParts,
  id: JobId,
  definition: JobDefinition,
  timing: Timing,
): Promise<Readiness> {
  const release = await releaseFor(catalog, id.installation, definition);
  const followUp = await followUpProblem(jobs, id, definition);
  const command = await commandObstacles(catalog, definition, timing.place);
  const found = [
    ...startObstacles(definition, timing),
    ...windowObstacles(definition, timing, await jobs.length(timing.place, definition)),
    ...hostObstacles(definition, timing.place),
    ...command.obstacles,
    ...silentHosts(definition, command.place, await unconnected(id.installation)),
    followUp !== undefined && obstacle('follow-up', 'job.follow_up_job', 'FOLLOW_UP_NOT_POSSIBLE', followUp),
    ...(release && 'reason' in release ? [releaseObstacle(definition, release)] : []),
  ].filter((o) => o !== false);
  return { obstacles: found, release: release && 'version' in release ? release : undefined, place: command.place };
}

/** Undefined when a job may be enabled. */
export function refusedBy(obstacles: readonly Obstacle[]): Rejected | undefined {
  const lasting = obstacles.filter(({ passing }) => !passing);
  const [first, second] = lasting;
  if (!first) return undefined;
  if (!second) return reject('refused', first.reason, first.description);
  const violations = lasting.map(({ field, description }) => ({ field, description }));
  const message = `the job cannot be enabled: ${violations.map((v) => `${v.field}: ${v.description}`).join('; ')}`;
  return reject('refused', 'NOT_READY', message, { violations });
}

function obstacle(about: About, field: string, reason: string, description: string, passing = false): Obstacle {
  return { about, field, reason, description, passing };
}

function startObstacles(
  { start }: JobDefinition,
  { now, times, lastAt = times[0] ?? now }: Timing,
): readonly Obstacle[] {
  if (!isPast(start, lastAt, now)) return [];
  return [obstacle('start', 'job.start', 'TIME_IN_THE_PAST', pastText(start))];
}

/** The first of the times whose window is none: where the clocks change it may be another length. */
function shortWindow(definition: JobDefinition, { times, place }: Timing): readonly Violation[] {
  const reactionMs = definition.reactionTimeMs ?? place.reactionTimeMs;
  return times.map((at) => windowProblems(definition, at, place.timeZone, reactionMs)).find((p) => p.length > 0) ?? [];
}

function windowObstacles(definition: JobDefinition, timing: Timing, length: Length): readonly Obstacle[] {
  const problems = shortWindow(definition, timing);
  if (problems.length > 0) return problems.map((p) => obstacle('window', p.field, 'WINDOW_TOO_SHORT', p.description));
  const { timeZone } = timing.place;
  const { ms, from } = estimateOf(definition, length);
  const longAt = (at: number): number => (windowOf(definition, at, timeZone).endsAt ?? Infinity) - at;
  const short = timing.times.find((at) => longAt(at) < ms);
  if (short === undefined) return [];
  const description =
    `the run may take ${minutes(ms)} (${from}), and the window from ${localTimeOf(short, timeZone).slice(0, 16)} is ` +
    `${minutes(longAt(short))} long; choose a later end, or a shorter maximum run time`;
  return [obstacle('window', 'job.window_end', 'WINDOW_TOO_SHORT', description)];
}

function unknownHost({ serviceHost }: JobDefinition, { hosts }: Place): Violation | undefined {
  if (serviceHost === '' || hosts.some((h) => h.host === serviceHost)) return undefined;
  const known = hosts.map((h) => h.host).join(', ');
  return { field: 'job.service_host', description: `${serviceHost} is no host of the installation (${known})` };
}

function wronglyExcluded({ excludedHosts = [] }: JobDefinition, { hosts }: Place): readonly Violation[] {
  const field = 'job.excluded_hosts';
  return excludedHosts.flatMap((name) => {
    const host = hosts.find((h) => h.host === name);
    if (!host) return [{ field, description: `${name} is no host of the installation` }];
    if (host.role === 'server') return [{ field, description: `${name} is the server, which is never left out` }];
    if (canBeExcluded(host)) return [];
    return [{ field, description: `${name} must not follow later, so it cannot be left out` }];
  });
}

function hostObstacles(definition: JobDefinition, place: Place): readonly Obstacle[] {
  if (!needsHosts(definition)) return maintenanceObstacles(definition, place);
  const join = 'join it: lastcall host join-token';
  if (place.hosts.length === 0) {
    return [obstacle('hosts', 'job.installation', 'NO_HOSTS', `the installation has no hosts; ${join}`)];
  }
  const strange = unknownHost(definition, place);
  if (strange) return [obstacle('hosts', strange.field, 'NO_HOSTS', strange.description)];
  const excluded = wronglyExcluded(definition, place);
  if (excluded.length > 0) return excluded.map((e) => obstacle('hosts', e.field, 'NO_HOSTS', e.description));
  const needsServer = definition.type === 'data-backup' && definition.serviceHost === '';
  if (!needsServer || place.hosts.some((h) => h.role === 'server')) return [];
  return [obstacle('hosts', 'job.service_host', 'NO_HOSTS', `the installation has no server; ${join}, or name a host`)];
}

/** `place`: with the hosts that a command is for; as it was for any other job. */
async function commandObstacles(
  catalog: Catalog,
  definition: JobDefinition,
  place: Place,
): Promise<{ readonly obstacles: readonly Obstacle[]; readonly place: Place }> {
  if (definition.type !== 'run-command' || place.hosts.length === 0) return { obstacles: [], place };
  const found = await commandPlace(catalog, definition, place);
  if (!('problems' in found)) return { obstacles: [], place: found };
  const obstacles = found.problems.map((p) => obstacle('hosts', p.field, 'COMMAND_NOT_POSSIBLE', p.description));
  return { obstacles, place: { ...place, hosts: [] } };
}

function maintenanceObstacles(definition: JobDefinition, place: Place): readonly Obstacle[] {
  const problems = maintenanceProblems(definition, place);
  return problems.map((p) => obstacle('hosts', p.field, 'MAINTENANCE_NOT_POSSIBLE', p.description));
}

/** A host that may follow later holds nothing up. */
function silentHosts(definition: JobDefinition, place: Place, unconnected: readonly string[]): readonly Obstacle[] {
  return hostsFor(definition, place)
    .filter(({ host, mayFollowLater }) => !mayFollowLater && unconnected.includes(host))
    .map(({ host }) => {
      const description = `${host} is not connected; switch it on, and see that its agent runs`;
      return obstacle('hosts', 'job.installation', 'NOT_CONNECTED', description, true);
    });
}

/** A chain of jobs that comes back to one of itself would go on for ever when each fails. */
async function followUpProblem(
  jobs: ReadinessParts['jobs'],
  { installation, job }: JobId,
  { followUpJob }: JobDefinition,
): Promise<string | undefined> {
  const chain = [job];
  for (let next = followUpJob; next !== '';) {
    if (chain.includes(next))
      return `the jobs follow each other in a circle: ${[...chain, next].join(' → ')}; break it`;
    const found = await jobs.get({ installation, job: next });
    if (!found || found.data.state.phase === 'none') {
      // A later one that was deleted is simply not started.
      return chain.length === 1 ? `there is no job ${next}; save it first` : undefined;
    }
    chain.push(next);
    next = found.data.state.definition.followUpJob;
  }
  return undefined;
}

async function releaseFor(catalog: Catalog, installation: string, definition: JobDefinition) {
  if (definition.type !== 'software-update') return undefined;
  try {
    return await catalog.release(installation, definition);
  } catch (cause) {
    if (!(cause instanceof RejectedError)) throw cause;
    return { reason: cause.rejected.message, path: [] };
  }
}

/** A fixed version that the installation may not take will not be there at night either; a newer one may come until then. */
function releaseObstacle({ version }: JobDefinition, { reason }: NoRelease): Obstacle {
  if (version === '') return obstacle('release', 'job.version', 'RELEASE_NOT_POSSIBLE', reason, true);
  return obstacle('release', 'job.version', 'RELEASE_NOT_POSSIBLE', `${version} cannot be installed: ${reason}`);
}
