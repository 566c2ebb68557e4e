import { catalogV1, commonV1 } from '@lastcall/contracts';
import { HOUR_MS, MINUTE_MS, reject, RejectedError, type RunHost } from '@lastcall/kernel';
import { commandPlace } from './command-jobs.js';
import type { JobDefinition } from './domain/job.js';
import { holidaysOf } from './holidays.js';
import type { Catalog, Place } from './spec.js';
import { sampleDefinition } from './testing/sample-definition.js';

/*
 * Which hosts a command is for, as the installed release and the installation stand.
 */

const HOSTS: readonly RunHost[] = [
  { host: 'srv1', role: 'server', mayFollowLater: false },
  { host: 'ts1', role: 'terminal-server', mayFollowLater: false },
  { host: 'ts2', role: 'terminal-server', mayFollowLater: true },
  { host: 'ws1', role: 'workstation', mayFollowLater: true },
];
const { SERVER, TERMINAL_SERVER } = commonV1.HostRole;
const RELEASE = catalogV1.Release.fromPartial({
  actions: [
    { id: 'reindex', title: 'Builds the index again', role: SERVER, maxRunTime: { seconds: 600n, nanos: 0 } },
    { id: 'clear-cache', title: 'Clears the cache', role: TERMINAL_SERVER, maxRunTime: { seconds: 60n, nanos: 0 } },
  ],
});

const not = async (): Promise<never> => Promise.reject(new Error('nobody asks for it'));

async function look(more: Partial<JobDefinition>, place: Partial<Place> = {}, installed?: Catalog['installed']) {
  const catalog: Catalog = { place: not, release: not, installed: installed ?? (async () => RELEASE) };
  const here: Place = {
    ...{ installation: 'berlin', product: 'encore', kind: 'multi-user', timeZone: 'Europe/Berlin', hosts: HOSTS },
    ...{ installedVersion: '11.0.0', approvalRequired: false, reactionTimeMs: 5 * MINUTE_MS },
    businessHours: { spans: [], holidays: await holidaysOf('', [], []) },
    ...place,
  };
  const definition = sampleDefinition({ type: 'run-command', command: 'clear-cache', maxRunTimeMs: HOUR_MS, ...more });
  const found = await commandPlace(catalog, definition, here);
  return 'problems' in found ? found.problems.map((p) => `${p.field} ${p.description}`) : found.hosts;
}

it('is for all hosts of its role, and those that may follow later need not be there', async () => {
  expect(await look({})).toEqual([HOSTS[1], HOSTS[2]]);
  expect(await look({ command: 'reindex' })).toEqual([HOSTS[0]]);
});

it('is for the hosts that are named, and these have to be there', async () => {
  expect(await look({ commandHosts: ['ts2'] })).toEqual([{ ...HOSTS[2], mayFollowLater: false }]);
});

const gone = (): Promise<never> =>
  Promise.reject(new RejectedError(reject('not-found', 'NOT_FOUND', 'no such release')));

it.each<[string, Partial<JobDefinition>, Partial<Place>, string]>([
  ['an action that is none', { command: 'format' }, {}, 'its actions are: reindex, clear-cache'],
  ['nothing that is installed', {}, { installedVersion: '' }, 'nothing is installed'],
  ['a host of another role', { commandHosts: ['srv1', 'ts1'] }, {}, 'srv1 is a server; clear-cache is for the role'],
  ['a host that has gone', { commandHosts: ['ts9'] }, {}, 'ts9 is no host of the installation'],
  ['no host of its role', {}, { hosts: HOSTS.slice(0, 1) }, 'no host has it'],
  ['less time than the action may take', { maxRunTimeMs: 30_000 }, {}, 'job.max_run_time'],
])('is for none with %s', async (_, definition, place, text) => {
  expect(await look(definition, place)).toEqual([expect.stringContaining(text)]);
});

it('says that the release is not known', async () => {
  expect(await look({}, {}, gone)).toEqual([expect.stringContaining('no such release')]);
});
