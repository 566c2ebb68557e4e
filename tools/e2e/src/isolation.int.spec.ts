import { catalogModule } from '@lastcall/catalog';
import {
  catalogV1,
  commonV1,
  decodeEvent,
  eventsV1,
  hostEdgeV1,
  hostOrderV1,
  installerV1,
  NAMES,
  PERMISSIONS,
  preflightV1,
  runSpecToWire,
  schedulerV1,
  sessionV1,
  type MethodDefinition,
} from '@lastcall/contracts';
import { HOUR_MS } from '@lastcall/kernel';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { CODE, openStream, toCallError, type Channel } from '@lastcall/sdk';
import { sessionModule } from '@lastcall/session';
import { signAgentToken, startStack, until, type Stack } from '@lastcall/testkit';
import { METHODS, nameOf, requestAbout } from './edge-walk/methods.js';
import { furnish, MARK, TWO, type Furnished } from './edge-walk/furnish.js';
import { addInstallations } from './edge-walk/two-installations.js';

/*
 * Two installations of one server: whoever belongs to the one neither sees nor disturbs the other, whatever ids, filters and page tokens
 * they try. What belongs to `two` carries a mark that no request has.
 */

const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
const UNARY = METHODS.filter((method) => !method.requestStream && !method.responseStream);
const ABOUT_ONE = UNARY.filter((method) => PERMISSIONS.get(method.path)?.scope === 'installation');
/** `one` is needed to the end. */
const TRIED = ABOUT_ONE.filter((method) => nameOf(method) !== 'DeleteInstallation');
const ONE = 'installations/one';
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
  let keys: Awaited<ReturnType<typeof addInstallations>>;
  let two: Furnished;
  let ids: Furnished['ids'];
  let heard: Furnished['heard'];
  beforeAll(async () => {
    // The gate of `two` is shut by a run that nobody leads, for as long as the tests take.
    stack = await startStack({ modules: MODULES, settings: { gateLeaseMs: HOUR_MS, factsTimeoutMs: 60_000 } });
    keys = await addInstallations(stack);
    two = await furnish(stack);
    ({ ids, heard } = two);
  }, 120_000);
  afterAll(async () => {
    two.leave();
    await stack.stop();
  });

  /** Where there is something to be listed. */
  function listOfTwo(method: MethodDefinition): Message {
    const beneath: Readonly<Record<string, Message>> = {
      ListFirings: { parent: `${TWO}/jobs/nightly` },
      ListNotificationDeliveries: { parent: `${TWO}/notification-targets/pager` },
      ListAttendance: { run: two.run.run },
    };
    return { ...requestAbout(method, 'two'), ...beneath[nameOf(method)] };
  }

  /** What may be seen of `two`, without what changes by itself. */
  async function stateOfTwo(): Promise<string> {
    const admin = stack.channel('admin');
    const asked = ABOUT_ONE.filter((method) =>
      /^(List(Jobs|Runs|Firings|NotificationTargets|Overrides|Reports|Hosts|Holds|Backups|Plans|Approvals|Attendance)|GetBackupPolicy)$/.test(
        nameOf(method),
      ),
    );
    const answers = await Promise.all(asked.map((method) => call(admin, method, listOfTwo(method))));
    const sessions = await sessionsOfTwo();
    const { gate } = await stack.client(sessionV1.SessionServiceService).getGate({ name: `${TWO}/gate` });
    const { installation } = await stack.client(catalogV1.CatalogServiceService).getInstallation({ name: TWO });
    return text([answers, sessions, gate?.state, installation]);
  }

  async function sessionsOfTwo(): Promise<readonly string[]> {
    const request = sessionV1.ListSessionsRequest.fromPartial({ parent: TWO });
    const { sessions } = await stack.client(sessionV1.SessionServiceService).listSessions(request);
    return sessions.map(({ name }) => name);
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
      const id = ids[kind] ?? '';
      return pattern.replace('{installation}', 'one').replace(/\{\w+\}/g, id);
    });
    const crooked = ['one/../two', 'ONE', 'one%2f..%2ftwo', 'two/', './two'].map(
      (i) => `installations/${i}/jobs/nightly`,
    );
    return [...names, ...crooked];
  }

  it('have something of each kind to be seen', async () => {
    expect(Object.entries(ids).filter(([, id]) => id === '')).toEqual([]);
    const kinds = Object.entries(NAMES).filter(([, pattern]) => /^installations\/\{installation\}\/.*\{/.test(pattern));
    expect(Object.keys(ids).toSorted()).toEqual(kinds.map(([kind]) => kind).toSorted());
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
  }, 180_000);

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
  }, 180_000);

  it('give page tokens that are good for nothing elsewhere', async () => {
    const lists = ABOUT_ONE.filter((method) => nameOf(method).startsWith('List'));
    const [all, one] = [stack.channel('admin'), stack.channel('admin', 'one')];
    const onePage: string[] = [];
    const taken: string[] = [];
    for (const method of lists) {
      const ofTwo: Message = { ...listOfTwo(method), pageSize: 1 };
      const { nextPageToken } = (await call(all, method, ofTwo)) as { nextPageToken: string };
      if (nextPageToken === '') onePage.push(method.path);
      const ofOne = Object.entries(ofTwo).map(([key, value]) => [key, value === TWO ? ONE : elsewhere(value)]);
      const request = { ...(Object.fromEntries(ofOne) as Message), pageToken: nextPageToken };
      const answer: unknown = await call(one, method, request).catch((error: unknown) => error);
      // Not found where the list is beneath a resource that `one` does not have; an empty page where a token is but a place.
      const codes: unknown[] = [CODE.invalidArgument, CODE.notFound];
      const isNothing = codes.includes((answer as { code?: number }).code) || isEmptyPage(answer);
      if (nextPageToken !== '' && !isNothing) taken.push(`${method.path}: ${text(answer)}`);
    }
    expect({ onePage, taken }).toEqual({ onePage: [], taken: [] });
  });

  it('do not hear what the other one is told, and no session goes on in another one', async () => {
    const before = heard.length;
    const sessionsBefore = await sessionsOfTwo();
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
    expect(welcome).not.toContain(ids['session']);
    await sessions.sendNotice(
      sessionV1.SendNoticeRequest.fromPartial({ parent: 'installations/one', text: 'Only here' }),
    );
    expect(await next()).toContain('Only here');
    stream.cancel();
    expect(await sessionsOfTwo()).toEqual(sessionsBefore);
    expect(heard.slice(before)).toEqual([]);
  });

  it('are not changed by what a host of another one says about their orders', async () => {
    const { message } = await stack.seen('HostOrderIssued', (m) => m.order?.run === two.run.run);
    const order = message.order?.order ?? '';
    expect(order).not.toBe('');
    const before = await stateOfTwo();
    const channel = stack.channelWith(signAgentToken(keys.one, 'one', 'srv'));
    const stream = openStream(hostEdgeV1.HostEdgeServiceService.connect, channel, { timeoutMs: 10_000 });
    const hello = { agentVersion: '9.0.0', platform: 'linux-x64', installedVersion: '1.0.0' };
    const result = hostOrderV1.OrderResult.fromPartial({ failure: { reason: 'EVIL', message: 'by one' } });
    const progress = hostOrderV1.OrderProgress.fromPartial({ step: 'evil' });
    stream.write({ message: { $case: 'hello', value: hostEdgeV1.AgentHello.fromPartial(hello) } });
    stream.write({ message: { $case: 'accepted', value: { order } } });
    stream.write({ message: { $case: 'progress', value: { order, progress } } });
    stream.write({ message: { $case: 'result', value: { order, result } } });
    for await (const { message: word } of stream) if (word?.$case === 'resultStored') break;
    stream.cancel();
    expect(await stateOfTwo()).toBe(before);
    const ofOrder = stack.envelopes.filter(({ type }) => /^HostOrder(Completed|Progressed)$/.test(type));
    expect(ofOrder.filter(({ data }) => Buffer.from(data).includes(order))).toEqual([]);
  });

  it('are not changed by events of another one that name what is theirs', async () => {
    const [spec, own] = [await startRun('two'), await startRun('one')];
    const { message } = await stack.seen('HostOrderIssued', (m) => m.order?.run === two.run.run);
    const before = await stateOfTwo();
    // As they are, which no service says; and under the name of `one`, with the ids of `two`.
    const runs = [spec, runSpecToWire(two.run)].flatMap((run) => [run, { ...run, installation: 'one' }]);
    const [preflight, session] = ['preflight/reports/of-one', 'session/gates/one'];
    const failure = commonV1.Failure.fromPartial({ reason: 'EVIL', message: 'by one' });
    for (const run of runs) {
      await stack.publish('PreflightFailed', 'one', { run, report: '', blocking: [] }, preflight);
      await stack.publish('DrainFailed', 'one', eventsV1.DrainFailed.fromPartial({ run, failure }), session);
    }
    const result = hostOrderV1.OrderResult.fromPartial({ failure });
    const issued = stack.envelopes.filter(
      ({ type, installation }) => type === 'HostOrderIssued' && installation === 'two',
    );
    const orders = issued.map((event) => decodeEvent('HostOrderIssued', event).order);
    expect(orders.map((order) => order?.order)).toContain(message.order?.order);
    for (const order of orders.flatMap((one) => [one, one && { ...one, installation: 'one' }])) {
      await stack.publish('HostOrderCompleted', 'one', { order, result }, 'installer/queues/one');
    }
    await taken(own, { preflight, session });
    expect(await stateOfTwo()).toBe(before);
  });

  /** Answers its spec as it stands in events. */
  async function startRun(installation: string): Promise<commonV1.RunSpec> {
    const scheduler = stack.client(schedulerV1.SchedulerServiceService);
    const name = `installations/${installation}/jobs/nightly`;
    if (installation === 'one') {
      const start = { condition: { $case: 'time' as const, value: { localTime: '2099-01-01T00:00:00' } } };
      const job = schedulerV1.Job.fromPartial({ title: 'One', type: commonV1.JobType.DATA_BACKUP, start });
      await scheduler.createJob({ parent: ONE, jobId: 'nightly', job, confirmedCautions: [] });
      await scheduler.enableJob({ name, etag: '', confirmedCautions: [] });
    }
    const { run } = await scheduler.startJob({ name, confirmedCautions: [], requestId: 'under-way' });
    const { message } = await stack.seen('RunStarted', (m) => m.run?.run === run.split('/').at(-1));
    return message.run ?? commonV1.RunSpec.create();
  }

  /** Waits for what comes behind those events from the same sources: each is taken in after them, by whoever takes in any. */
  async function taken(own: commonV1.RunSpec, sources: { preflight: string; session: string }): Promise<void> {
    const update = { ...own, run: 'after-them', type: commonV1.JobType.SOFTWARE_UPDATE, toVersion: '2.0.0' };
    const installer = stack.client(installerV1.InstallerServiceService);
    const states: (installerV1.PlanState | undefined)[] = [];
    const planIs = (known: boolean) => async (): Promise<boolean> => {
      const { plans } = await installer.listPlans({ parent: ONE, pageSize: 0, pageToken: '' });
      states.push(plans[0]?.state);
      return known ? new Set(states.filter(Boolean)).size > 1 : plans.length === 1;
    };
    await stack.publish('PreflightPassed', 'one', { run: update, report: '', absentHosts: [] }, sources.preflight);
    await until(planIs(false), 'the installer to have come so far');
    await stack.publish('DrainFailed', 'one', eventsV1.DrainFailed.fromPartial({ run: update }), sources.session);
    await until(planIs(true), 'the installer to have heard the session service');
    await stack.publish('PreflightFailed', 'one', { run: own, report: '', blocking: [] }, sources.preflight);
    const name = `${ONE}/runs/${own.run}`;
    const scheduler = stack.client(schedulerV1.SchedulerServiceService);
    await until(async () => (await scheduler.getRun({ name })).run?.finishTime !== undefined, 'the scheduler');
    const preflight = stack.client(preflightV1.PreflightServiceService);
    const { report } = await preflight.createReport({ parent: ONE, version: '', job: '' });
    const id = report?.name.split('/').at(-1) ?? '';
    const { message } = await stack.seen('HostOrderIssued', (m) => m.order?.order.startsWith(id) === true);
    const result = hostOrderV1.OrderResult.fromPartial({ failure: { reason: 'OFF' } });
    await stack.publish('HostOrderCompleted', 'one', { order: message.order, result }, 'installer/queues/one');
    const isDone = async () =>
      (await preflight.getReport({ name: report?.name ?? '' })).report?.finishTime !== undefined;
    await until(isDone, 'preflight to have come so far');
  }

  it('refuse clients and watchers of another one', async () => {
    const stream = openStream(sessionV1.SessionServiceService.attach, stack.channel('client', 'one'));
    const value = sessionV1.Hello.fromPartial({ installation: 'two', user: 'eve', version: '1.0.0' });
    stream.write({ message: { $case: 'hello', value } });
    const first = await stream[Symbol.asyncIterator]().next();
    expect(text(first)).toContain('refused');
    expect(text(first)).not.toContain(MARK);
    const watch = stack.client(schedulerV1.SchedulerServiceService, 'viewer', 'one');
    const run = ids['run'] ?? '';
    const attempts = [`${TWO}/runs/${run}`, `installations/one/runs/${run}`];
    const codes = [CODE.permissionDenied, CODE.notFound];
    for (const [i, name] of attempts.entries()) {
      const next = watch.watchRun(schedulerV1.WatchRunRequest.fromPartial({ name }))[Symbol.asyncIterator]().next();
      await expect(next).rejects.toMatchObject({ code: codes[i] });
    }
  });
});

function isEmptyPage(answer: unknown): boolean {
  const fields = Object.values(answer as object);
  return fields.length > 0 && fields.every((value) => value === '' || (Array.isArray(value) && value.length === 0));
}

/** The same beneath `one`. */
function elsewhere(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(`${TWO}/`, `${ONE}/`) : value;
}

/** The value in the place of every text of a request. */
function hostile(old: unknown, value: string): unknown {
  if (typeof old === 'string') return value;
  if (Array.isArray(old)) return [value];
  return old;
}
