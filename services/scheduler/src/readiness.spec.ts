import { HOUR_MS, MINUTE_MS, type RunHost } from '@lastcall/kernel';
import { catalogV1, commonV1 } from '@lastcall/contracts';
import { ASSUMED } from './advice/length.js';
import type { JobDocument } from './documents.js';
import type { JobDefinition } from './domain/job.js';
import { holidaysOf } from './holidays.js';
import type { Timing } from './jobs.js';
import { definitionProblems, obstaclesOf, refusedBy } from './readiness.js';
import type { NoRelease, Place } from './spec.js';
import { sampleDefinition } from './testing/sample-definition.js';

/*
 * What is in the way of a job, as its installation, its jobs and its releases stand.
 */

const DUE = Date.parse('2026-11-28T21:00:00Z');
const { SERVER } = commonV1.HostRole;
const ID = { installation: 'berlin', job: 'nightly' };
const HOSTS: readonly RunHost[] = [
  { host: 'srv1', role: 'server', mayFollowLater: false },
  { host: 'ts1', role: 'terminal-server', mayFollowLater: false },
  { host: 'ws1', role: 'workstation', mayFollowLater: true },
];

interface World {
  readonly hosts?: readonly RunHost[];
  readonly kind?: Place['kind'];
  /** Follow-up of each saved job. */
  readonly followUps?: Readonly<Record<string, string>>;
  readonly release?: NoRelease;
  readonly unconnected?: readonly string[];
  readonly now?: number;
}

async function placeIn({ hosts = HOSTS, kind = 'multi-user' }: World): Promise<Place> {
  return {
    ...{ ...ID, product: 'encore', kind, timeZone: 'Europe/Berlin', installedVersion: '11.0.0' },
    ...{ hosts, approvalRequired: false, reactionTimeMs: 5 * MINUTE_MS },
    businessHours: { spans: [], holidays: await holidaysOf('', [], []) },
  };
}

async function look(definition: JobDefinition, world: World) {
  const saved = (job: string): JobDocument | undefined => {
    const followUpJob = world.followUps?.[job];
    if (followUpJob === undefined) return undefined;
    const state = { phase: 'done', definition: sampleDefinition({ followUpJob }), revision: 1 } as const;
    return { ...ID, job, product: 'encore', state, createdAt: 0, confirmedCautions: [] };
  };
  const place = await placeIn(world);
  const jobs = {
    get: async ({ job }: { job: string }) => {
      const data = saved(job);
      return data && { id: job, version: 1, data };
    },
    length: async () => ASSUMED,
  };
  const release = world.release ?? catalogV1.Release.fromPartial({ version: '11.1.0' });
  const installed = async () => catalogV1.Release.fromPartial({ actions: [{ id: 'reindex', role: SERVER }] });
  const catalog = { place: async () => place, release: async () => release, installed };
  const timing: Timing = { place, now: world.now ?? DUE - HOUR_MS, times: [DUE], notes: [] };
  const parts = { jobs, catalog, unconnected: async () => world.unconnected ?? [] };
  const { obstacles } = await obstaclesOf(parts, ID, definition, timing);
  return { obstacles, problems: await definitionProblems(jobs, ID, definition, timing) };
}

const GONE: NoRelease = { reason: 'there is none', path: [] };

it.each<[string, Partial<JobDefinition>, World, string]>([
  ['a time in the past', {}, { now: DUE }, 'TIME_IN_THE_PAST'],
  ['no hosts', {}, { hosts: [] }, 'NO_HOSTS'],
  ['a backup without a server', { type: 'data-backup' }, { hosts: HOSTS.slice(1) }, 'NO_HOSTS'],
  ['a host that has gone', { serviceHost: 'srv9' }, {}, 'NO_HOSTS'],
  ['a host left out that has gone', { excludedHosts: ['ws9'] }, {}, 'NO_HOSTS'],
  ['a window that is too short', { maxRunTimeMs: 2 * HOUR_MS, windowEnd: '23:59' }, {}, 'WINDOW_TOO_SHORT'],
  ['a follow-up job that has gone', { followUpJob: 'rescue' }, {}, 'FOLLOW_UP_NOT_POSSIBLE'],
  ['an action that is none', { type: 'run-command', command: 'format' }, {}, 'COMMAND_NOT_POSSIBLE'],
  ['a version that may not be taken', { version: '12.0.0' }, { release: GONE }, 'RELEASE_NOT_POSSIBLE'],
])('does not enable a job with %s', async (_, definition, world, reason) => {
  const { obstacles } = await look(sampleDefinition(definition), world);
  expect(refusedBy(obstacles)).toMatchObject({ code: 'refused', reason });
});

it('names all of it in one answer', async () => {
  const definition = sampleDefinition({ version: '12.0.0', followUpJob: 'rescue', serviceHost: 'srv9' });
  const refused = refusedBy((await look(definition, { release: GONE, now: DUE })).obstacles);
  const fields = ['job.start', 'job.service_host', 'job.follow_up_job', 'job.version'];
  expect(refused).toMatchObject({ reason: 'NOT_READY', violations: fields.map((field) => ({ field })) });
});

it('enables what may still come right by itself, and says so', async () => {
  const { obstacles } = await look(sampleDefinition(), { release: GONE, unconnected: ['srv1', 'ws1', 'srv9'] });
  expect(obstacles).toMatchObject([
    { reason: 'NOT_CONNECTED', description: expect.stringContaining('srv1 is not connected') as string },
    { reason: 'RELEASE_NOT_POSSIBLE', passing: true },
  ]);
  expect(refusedBy(obstacles)).toBeUndefined();
  const command = sampleDefinition({ type: 'run-command', command: 'reindex' });
  const silent = (await look(command, { unconnected: ['srv1', 'ts1'] })).obstacles;
  expect(silent).toMatchObject([{ reason: 'NOT_CONNECTED', passing: true }]);
  const withoutTs1 = sampleDefinition({ excludedHosts: ['ws1'], type: 'data-backup' });
  expect((await look(withoutTs1, { unconnected: ['ts1'] })).obstacles).toEqual([]);
});

it.each<[string, Partial<JobDefinition>, World, string]>([
  ['the server left out', { excludedHosts: ['srv1'] }, {}, 'srv1 is the server'],
  ['a host left out that must not follow later', { excludedHosts: ['ts1'] }, {}, 'ts1 must not follow later'],
  ['a command on a host that is none', { commandHosts: ['ts9'] }, {}, 'ts9 is no host of the installation'],
  ['a circle of two', { followUpJob: 'b' }, { followUps: { b: 'nightly' } }, 'nightly → b → nightly'],
  ['a circle behind it', { followUpJob: 'b' }, { followUps: { b: 'c', c: 'b' } }, 'nightly → b → c → b'],
  ['a window shorter than the reaction time', { windowEnd: '22:04' }, {}, 'shorter than the reaction time'],
  [
    ...(['nobody to wait for'] as const),
    {
      start: {
        kind: 'when-idle',
        idleMinutes: 5,
        windowOpens: '2026-11-28T20:00:00',
        windowCloses: '2026-11-28T22:00:00',
      },
    },
    { kind: 'single-user' },
    'a single seat',
  ],
])('does not save a job with %s', async (_, definition, world, text) => {
  const { problems } = await look(sampleDefinition(definition), world);
  expect(problems.map(({ description }) => description)).toEqual([expect.stringContaining(text)]);
});

it('takes a chain that ends, also where a later one has gone', async () => {
  for (const followUps of [{ b: 'c', c: '' }, { b: 'c' }]) {
    expect((await look(sampleDefinition({ followUpJob: 'b' }), { followUps })).problems).toEqual([]);
  }
});
