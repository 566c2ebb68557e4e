import { catalogModule } from '@lastcall/catalog';
import {
  catalogV1,
  commonV1,
  hostEdgeV1,
  identityV1,
  installerV1,
  operationsV1,
  PERMISSIONS,
  preflightV1,
  schedulerV1,
  sessionV1,
} from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { CODE, toCallError, CallError, type Channel } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { signAgentToken, startStack, type Stack } from '@lastcall/testkit';
import { requestsElsewhere, requestsOf, type BadRequest } from './bad-inputs/bad-requests.js';
import { CATALOG } from './bad-inputs/catalog-requests.js';
import { OTHERS } from './bad-inputs/other-requests.js';
import { SCHEDULER } from './bad-inputs/scheduler-requests.js';
import { METHODS, nameOf } from './edge-walk/methods.js';
import { addInstallations } from './edge-walk/two-installations.js';
import { settled, versionsIn } from './world/state-files.js';

/*
 * Requests of every method as they must not be: each is refused as an invalid argument that names its field, nothing of it is in a
 * store, and the services go on.
 */

const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
const AREAS = { catalogV1, hostEdgeV1, identityV1, installerV1, operationsV1, preflightV1, schedulerV1, sessionV1 };
const TABLES = [...CATALOG, ...SCHEDULER, ...OTHERS];
const CASES = TABLES.flatMap(requestsOf);
/** What was of one that was deleted may still be read; the lease of a gate is a run's, which there is none of. */
const ALSO_AFTERWARDS = /(^|\/)(List|RenewGateLease$)/;
const NOWHERE = new Map(
  TABLES.flatMap(requestsElsewhere).flatMap((one) =>
    ALSO_AFTERWARDS.test(one.method) ? [] : [[one.method, one] as const],
  ),
);
const FIELDS = Map.groupBy(CASES, ({ method, field }) => `${method}: ${field}`);
/** Not what was asked for: what was tried is audited, and users are counted by themselves. */
const BESIDE = /^\w+\/(audit|replicas|histories)\//;

/** `GetJob`, or `SessionService/GrantApproval` where several services have one of that name. */
function isMeant(path: string, name: string): boolean {
  return path.endsWith(name.includes('/') ? `.${name}` : `/${name}`);
}

interface Codec {
  fromPartial(value: object): unknown;
}

function codecOf(type: string): Codec {
  for (const area of Object.values(AREAS))
    if (type in area) return (area as unknown as Record<string, Codec>)[type] as Codec;
  throw new Error(`there is no ${type}`);
}

function call(channel: Channel, { method: name, request }: BadRequest): Promise<unknown> {
  const method = METHODS.find(({ path }) => isMeant(path, name));
  if (!method) throw new Error(`there is no method ${name}`);
  const message = codecOf(`${nameOf(method)}Request`).fromPartial(request);
  const { path, requestSerialize, responseDeserialize } = method;
  const options = { deadline: Date.now() + 10_000 };
  const about = [path, requestSerialize, responseDeserialize, message, channel.headers(), options] as const;
  return new Promise((resolve, reject) => {
    if (!method.responseStream) {
      channel.grpc.makeUnaryRequest(...about, (error, answer) =>
        error ? reject(toCallError(error)) : resolve(answer),
      );
      return;
    }
    const stream = channel.grpc.makeServerStreamRequest(...about);
    stream.on('data', (answer) => {
      resolve(answer);
      stream.cancel();
    });
    stream.on('error', (error) => reject(toCallError(error)));
  });
}

describe('bad requests', () => {
  let stack: Stack;
  let admin: Channel;
  /** Of the host that asks. */
  let host: Channel;
  beforeAll(async () => {
    stack = await startStack({ modules: MODULES, settings: { callsPerSecond: 100_000, callsBurst: 100_000 } });
    admin = stack.channel('admin');
    const hostKeys = await addInstallations(stack);
    host = stack.channelWith(signAgentToken(hostKeys.one, 'one', 'srv'));
    const scheduler = stack.client(schedulerV1.SchedulerServiceService);
    const start = { condition: { $case: 'time' as const, value: { localTime: '2099-01-01T00:00:00' } } };
    const job = schedulerV1.Job.fromPartial({ title: 'Nightly', type: commonV1.JobType.DATA_BACKUP, start });
    await scheduler.createJob({ parent: 'installations/one', jobId: 'nightly', job, confirmedCautions: [] });
    const channel = { $case: 'webhook' as const, value: { url: 'http://127.0.0.1:9/', secret: '' } };
    const target = schedulerV1.NotificationTarget.fromPartial({ channel });
    await scheduler.createNotificationTarget({ parent: 'installations/one', targetId: 'pager', target });
    await settled(stack.dataDir);
  });
  afterAll(() => stack.stop());

  const stored = (): object =>
    Object.fromEntries([...versionsIn(stack.dataDir)].filter(([document]) => !BESIDE.test(document)));

  it('are made for every method that takes anything in', () => {
    expect(CASES.length).toBeGreaterThan(1_500);
    const tried = [...new Set(CASES.map(({ method }) => method))];
    const left = METHODS.filter(({ path }) => PERMISSIONS.has(path) && !path.startsWith('/grpc.'))
      .filter(({ path }) => !tried.some((name) => isMeant(path, name)))
      .map(nameOf);
    const elsewhere = ['Attach', 'Connect'];
    const read = ['GetCaller', 'GetCatchUp', 'GetMirror', 'GetSignIn', 'GetSigningState', 'GetTrustedMetadata'];
    expect(left.toSorted()).toEqual([...elsewhere, 'CatchUp', ...read, 'ListServiceStates', 'SignOut'].toSorted());
  });

  /** What is wrong with the answer to a bad request; undefined: nothing. */
  async function flawOf(one: BadRequest): Promise<string | undefined> {
    const error = await call(one.method === 'RotateKey' ? host : admin, one).catch((e: CallError) => e);
    if (!(error instanceof CallError)) return 'is accepted';
    const { code, violations, message } = error;
    if (code !== CODE.invalidArgument) return `is answered with ${code}: ${message}`;
    const isNamed = violations.some(({ field }) => field === one.field || /^[[.]/.test(field.slice(one.field.length)));
    if (!isNamed) return `is refused for ${violations.map(({ field }) => field).join(', ')}`;
    return message.length > 1_000 ? 'is refused with a whole novel' : undefined;
  }

  it.each([...FIELDS])('%s', async (_, cases) => {
    const before = stored();
    const answers = await Promise.all(cases.map(async (one) => [one.what, await flawOf(one)] as const));
    const flaws = answers.flatMap(([what, flaw]) => (flaw === undefined ? [] : [`${what} ${flaw}`]));
    expect(flaws).toEqual([]);
    expect(stored()).toEqual(before);
  });

  it.each([...NOWHERE])('%s of an installation that there is not', async (_, one) => {
    const before = stored();
    const error = await call(admin, one).catch((e: CallError) => e);
    expect(error).toMatchObject({ code: CODE.notFound });
    expect(stored()).toEqual(before);
  });

  it('leave services that do what is right', async () => {
    const { installations } = await stack
      .client(catalogV1.CatalogServiceService)
      .listInstallations({ pageSize: 0, pageToken: '', product: '' });
    expect(installations.map(({ name }) => name)).toEqual(['installations/one', 'installations/two']);
  });
});
