import { catalogModule } from '@lastcall/catalog';
import {
  catalogV1,
  commonV1,
  NAMES,
  PERMISSIONS,
  preflightV1,
  schedulerV1,
  sessionV1,
  type MethodDefinition,
} from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { CODE, openStream, toCallError, type Channel } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { startStack, until, type Stack } from '@lastcall/testkit';
import { METHODS, nameOf, requestAbout } from './edge-walk/methods.js';
import { addInstallations } from './edge-walk/two-installations.js';

/*
 * Two installations of one server: whoever belongs to the one neither sees nor disturbs the other, whatever ids, filters and page tokens
 * they try. What belongs to `two` carries a mark that no request has.
 */

const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
const MARK = 'of-the-neighbours';
const TWO = 'installations/two';
const UNARY = METHODS.filter((method) => !method.requestStream && !method.responseStream);
const ABOUT_ONE = UNARY.filter((method) => PERMISSIONS.get(method.path)?.scope === 'installation');
/** `one` is needed to the end. */
const TRIED = ABOUT_ONE.filter((method) => nameOf(method) !== 'DeleteInstallation');
type Message = Readonly<Record<string, unknown>>;

const text = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v));

function call(channel: Channel, method: MethodDefinition, request: unknown): Promise<unknown> {
  const { path, requestSerialize, responseDeserialize } = method;
  const options = { deadline: Date.now() + 10_000 };
  return new Promise((resolve, reject) => {
    channel.grpc.makeUnaryRequest(
      ...([path, requestSerialize, responseDeserialize, request, channel.headers(), options] as const),
      (error, answer) => (error ? reject(toCallError(error)) : resolve(answer)),
    );
  });
}

describe('installations', () => {
  let stack: Stack;
  let ids: Readonly<Record<string, string>>;
  let heard: readonly string[] = [];
  let leave = (): void => undefined;
  beforeAll(async () => {
    stack = await startStack({ modules: MODULES });
    await addInstallations(stack);
    ids = await furnish();
  });
  afterAll(async () => {
    leave();
    await stack.stop();
  });

  /** Something of each kind for `two`; answers ids by their kind. */
  async function furnish(): Promise<Readonly<Record<string, string>>> {
    const scheduler = stack.client(schedulerV1.SchedulerServiceService);
    const start = { condition: { $case: 'time' as const, value: { localTime: '2099-01-01T00:00:00' } } };
    const job = schedulerV1.Job.fromPartial({ title: MARK, type: commonV1.JobType.DATA_BACKUP, start, remarks: MARK });
    await scheduler.createJob({ parent: TWO, jobId: 'nightly', job, confirmedCautions: [] });
    await scheduler.enableJob({ name: `${TWO}/jobs/nightly`, etag: '', confirmedCautions: [] });
    const started = { name: `${TWO}/jobs/nightly`, confirmedCautions: [], requestId: 'first' };
    const { run } = await scheduler.startJob(started);
    const channel = { $case: 'webhook' as const, value: { url: `http://127.0.0.1:9/${MARK}`, secret: '' } };
    const target = schedulerV1.NotificationTarget.fromPartial({ title: MARK, channel });
    await scheduler.createNotificationTarget({ parent: TWO, targetId: 'pager', target });
    const { report } = await stack
      .client(preflightV1.PreflightServiceService)
      .createReport({ parent: TWO, version: '', job: '' });
    await attach();
    const sessions = stack.client(sessionV1.SessionServiceService);
    let session = '';
    await until(async () => {
      const { sessions: all } = await sessions.listSessions(sessionV1.ListSessionsRequest.fromPartial({ parent: TWO }));
      session = all[0]?.name ?? '';
      return session !== '';
    }, 'the session of two');
    return { job: 'nightly', run, report: report?.name ?? '', host: 'srv', session, notificationTarget: 'pager' };
  }

  async function attach(): Promise<void> {
    const stream = openStream(sessionV1.SessionServiceService.attach, stack.channel('client', 'two'));
    const words: string[] = [];
    heard = words;
    leave = () => stream.cancel();
    const value = sessionV1.Hello.fromPartial({ installation: 'two', user: MARK, version: '1.0.0' });
    stream.write({ message: { $case: 'hello', value } });
    void (async () => {
      for await (const word of stream) words.push(text(word));
    })().catch(() => undefined);
  }
  /** What may be seen of `two`, without what changes by itself. */
  async function stateOfTwo(): Promise<string> {
    const admin = stack.channel('admin');
    const asked = ABOUT_ONE.filter((method) =>
      /^(List(Jobs|NotificationTargets|Overrides|Hosts|Holds|Backups)|GetBackupPolicy)$/.test(nameOf(method)),
    );
    const answers = await Promise.all(asked.map((method) => call(admin, method, requestAbout(method, 'two'))));
    const { sessions } = await stack
      .client(sessionV1.SessionServiceService)
      .listSessions(sessionV1.ListSessionsRequest.fromPartial({ parent: TWO }));
    const { gate } = await stack.client(sessionV1.SessionServiceService).getGate({ name: `${TWO}/gate` });
    const { installation } = await stack.client(catalogV1.CatalogServiceService).getInstallation({ name: TWO });
    return text([answers, sessions.map(({ name }) => name), gate?.state, installation]);
  }

  /** Answers and refusals that tell something of `two`: the mark, which no request has. */
  async function leaksOf(
    channel: Channel,
    requests: readonly (readonly [MethodDefinition, Message])[],
  ): Promise<string[]> {
    const leaks: string[] = [];
    for (const [method, request] of requests) {
      const said = await call(channel, method, request).then(text, (e: Error) => `${e.message} ${text(e)}`);
      if (said.includes(MARK)) leaks.push(`${method.path} with ${text(request)}: ${said.slice(0, 300)}`);
    }
    return leaks;
  }

  /** Names beneath `one` with the ids of `two`, of every kind of resource. */
  function guesses(): readonly string[] {
    const named = Object.entries(NAMES).filter(([, pattern]) => pattern.startsWith('installations/{installation}'));
    const names = named.map(([kind, pattern]) => {
      const id = (ids[kind] ?? ids['run'])?.split('/').at(-1) ?? '';
      return pattern.replace('{installation}', 'one').replace(/\{\w+\}/g, id);
    });
    const crooked = ['one/../two', 'ONE', 'one%2f..%2ftwo', 'two/', './two'].map(
      (i) => `installations/${i}/jobs/nightly`,
    );
    return [...names, ...crooked];
  }

  it('have something of each kind to be seen', async () => {
    expect(Object.entries(ids).filter(([, id]) => id === '')).toEqual([]);
    const state = await stateOfTwo();
    expect(state).toContain(MARK);
    expect(heard[0]).toContain('welcome');
  });

  it('are not found by ids of another one, at any method, and stay as they were', async () => {
    const before = await stateOfTwo();
    const leaks: string[] = [];
    for (const role of ['admin', 'viewer', 'client'] as const) {
      const open = TRIED.filter(({ path }) => PERMISSIONS.get(path)?.roles.includes(role));
      const requests = open.flatMap((method) => {
        const base = requestAbout(method, 'one');
        const key = 'name' in base ? 'name' : 'parent';
        return guesses().map((name) => [method, { ...base, [key]: name }] as const);
      });
      // Who may do everything has tried everything; the others only what lists and shows.
      const tried =
        role === 'admin' ? requests : requests.filter(([method]) => /^(Get|List|Count)/.test(nameOf(method)));
      leaks.push(...(await leaksOf(stack.channel(role, 'one'), tried)));
    }
    expect(leaks).toEqual([]);
    expect(await stateOfTwo()).toBe(before);
  });

  it('are not reached through the other fields of a request', async () => {
    const before = await stateOfTwo();
    const values = [...Object.values(ids), ...Object.values(ids).map((id) => id.split('/').at(-1) ?? ''), TWO, 'two'];
    const requests = TRIED.flatMap((method) =>
      values.map((value) => {
        const base = requestAbout(method, 'one');
        const filled = Object.entries(base).map(([key, old]) => [
          key,
          key === 'name' || key === 'parent' ? old : hostile(old, value),
        ]);
        const request = Object.fromEntries(filled) as Message;
        return [
          method,
          'name' in base ? { ...request, name: String(base['name']).replace('/walk/nothing', '') } : request,
        ] as const;
      }),
    );
    expect(await leaksOf(stack.channel('admin', 'one'), requests)).toEqual([]);
    expect(await stateOfTwo()).toBe(before);
  });

  it('give page tokens that are good for nothing elsewhere', async () => {
    const lists = ABOUT_ONE.filter((method) => nameOf(method).startsWith('List'));
    const [all, one] = [stack.channel('admin'), stack.channel('admin', 'one')];
    let tried = 0;
    for (const method of lists) {
      const ofTwo = { ...requestAbout(method, 'two'), pageSize: 1 };
      await addSecondOf(method);
      const answer = (await call(all, method, ofTwo).catch(() => ({}))) as { nextPageToken?: string };
      if (!answer.nextPageToken) continue;
      tried++;
      const request = { ...requestAbout(method, 'one'), pageSize: 1, pageToken: answer.nextPageToken };
      await expect(call(one, method, request)).rejects.toMatchObject({ code: CODE.invalidArgument });
    }
    expect(tried).toBeGreaterThan(1);
  });

  /** Lists have a second page then. */
  async function addSecondOf(method: MethodDefinition): Promise<void> {
    const scheduler = stack.client(schedulerV1.SchedulerServiceService);
    const start = { condition: { $case: 'time' as const, value: { localTime: '2099-01-01T00:00:00' } } };
    const job = schedulerV1.Job.fromPartial({ title: MARK, type: commonV1.JobType.DATA_BACKUP, start });
    if (nameOf(method) === 'ListJobs')
      await scheduler.createJob({ parent: TWO, jobId: 'other', job, confirmedCautions: ['collides-with-job'] });
    if (nameOf(method) === 'ListReports')
      await stack.client(preflightV1.PreflightServiceService).createReport({ parent: TWO, version: '', job: '' });
  }

  it('do not hear what the other one is told, and no session goes on in another one', async () => {
    const before = heard.length;
    const sessions = stack.client(sessionV1.SessionServiceService, 'operator', 'one');
    const stream = openStream(sessionV1.SessionServiceService.attach, stack.channel('client', 'one'));
    const resumeToken = /"resumeToken":"([^"]+)"/.exec(heard[0] ?? '')?.[1] ?? '';
    expect(resumeToken).not.toBe('');
    const value = sessionV1.Hello.fromPartial({ installation: 'one', user: 'eve', version: '1.0.0', resumeToken });
    stream.write({ message: { $case: 'hello', value } });
    const words: AsyncIterator<unknown> = stream[Symbol.asyncIterator]();
    const next = async (): Promise<string> => text(await words.next());
    const welcome = await next();
    expect(welcome).toContain('welcome');
    expect(welcome).not.toContain(ids['session']?.split('/').at(-1));
    await sessions.sendNotice(
      sessionV1.SendNoticeRequest.fromPartial({ parent: 'installations/one', text: 'Only here' }),
    );
    expect(await next()).toContain('Only here');
    stream.cancel();
    const { sessions: still } = await stack
      .client(sessionV1.SessionServiceService)
      .listSessions(sessionV1.ListSessionsRequest.fromPartial({ parent: TWO }));
    expect(still.map(({ name }) => name)).toEqual([ids['session']]);
    expect(heard.slice(before)).toEqual([]);
  });

  it('refuse clients and watchers of another one', async () => {
    const stream = openStream(sessionV1.SessionServiceService.attach, stack.channel('client', 'one'));
    const value = sessionV1.Hello.fromPartial({ installation: 'two', user: 'eve', version: '1.0.0' });
    stream.write({ message: { $case: 'hello', value } });
    const first = await stream[Symbol.asyncIterator]().next();
    expect(text(first)).toContain('refused');
    expect(text(first)).not.toContain(MARK);
    const watch = stack.client(schedulerV1.SchedulerServiceService, 'viewer', 'one');
    const run = (ids['run'] ?? '').split('/').at(-1) ?? '';
    const attempts = [`${TWO}/runs/${run}`, `installations/one/runs/${run}`];
    const codes = [CODE.permissionDenied, CODE.notFound];
    for (const [i, name] of attempts.entries()) {
      const next = watch.watchRun(schedulerV1.WatchRunRequest.fromPartial({ name }))[Symbol.asyncIterator]().next();
      await expect(next).rejects.toMatchObject({ code: codes[i] });
    }
  });
});

/** The value in the place of every text of a request. */
function hostile(old: unknown, value: string): unknown {
  if (typeof old === 'string') return value;
  if (Array.isArray(old)) return [value];
  return old;
}
