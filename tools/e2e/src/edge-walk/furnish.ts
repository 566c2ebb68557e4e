import {
  catalogV1,
  commonV1,
  hostOrderV1,
  msToDuration,
  parseRunSpec,
  preflightV1,
  runSpecToWire,
  schedulerV1,
  sessionV1,
  type EventMessage,
} from '@lastcall/contracts';
import { DAY_MS, HOUR_MS, type RunSpec } from '@lastcall/kernel';
import { CallError, openStream } from '@lastcall/sdk';
import { until, type Stack } from '@lastcall/testkit';
import { joinHost } from './two-installations.js';

/*
 * Two of each kind of resource for installation `two`, so that every list has a second page; none of it goes on by itself. The test plays
 * its hosts. What a person may write there carries the mark.
 */

export const MARK = 'of-the-neighbours';
export const TWO = 'installations/two';

export interface Furnished {
  /** Of the first one of each kind, by the kind of its name. */
  readonly ids: Readonly<Record<string, string>>;
  /** What the users of `two` were told. */
  readonly heard: readonly string[];
  /** Of the run that shut its gate; its plan is under way. */
  readonly run: RunSpec;
  leave(): void;
}

const idOf = (name: string): string => name.split('/').at(-1) ?? '';
const confirmedCautions = ['collides-with-job'];

export async function furnish(stack: Stack): Promise<Furnished> {
  await joinHost(stack, 'two', 'ts', commonV1.HostRole.TERMINAL_SERVER);
  const { run, spec } = await addRuns(stack);
  const preflight = await addReportsAndBackups(stack);
  const users = [await attach(stack, MARK), await attach(stack, `${MARK}-2`)] as const;
  const override = await addOverrides(stack);
  const approval = await addApprovals(stack);
  const run2 = await shutGate(stack, users, spec);
  const hold = await firstOf(stack, 'hold');
  const session = await firstOf(stack, 'session');
  const ids = { job: 'nightly', run, host: 'srv', notificationTarget: 'pager', plan: run2.run, override, approval };
  const leave = (): void => users.forEach((user) => user.leave());
  return { ids: { ...ids, ...preflight, hold, session }, heard: users[0].heard, run: run2, leave };
}

interface User {
  readonly heard: readonly string[];
  say(message: NonNullable<sessionV1.AttachRequest['message']>): void;
  leave(): void;
}

async function attach(stack: Stack, user: string): Promise<User> {
  const stream = openStream(sessionV1.SessionServiceService.attach, stack.channel('client', 'two'));
  const heard: string[] = [];
  const say: User['say'] = (message) => void stream.write({ message });
  say({ $case: 'hello', value: sessionV1.Hello.fromPartial({ installation: 'two', user, version: '1.0.0' }) });
  void (async () => {
    for await (const word of stream) {
      const text = JSON.stringify(word, (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v));
      if (!text.includes('"heartbeat"')) heard.push(text);
    }
  })().catch(() => undefined);
  // Or it is taken for one that is gone.
  const beat = setInterval(() => say({ $case: 'heartbeat', value: {} }), 5_000);
  await until(() => heard.length > 0, `the welcome of ${user}`);
  const leave = (): void => {
    clearInterval(beat);
    stream.cancel();
  };
  return { heard, say, leave };
}

/** Jobs, firings, runs that are over, targets and what was sent to them. */
async function addRuns(stack: Stack): Promise<{ run: string; spec: RunSpec }> {
  const scheduler = stack.client(schedulerV1.SchedulerServiceService);
  const channel = { $case: 'webhook' as const, value: { url: `http://127.0.0.1:9/${MARK}`, secret: '' } };
  const start = { condition: { $case: 'time' as const, value: { localTime: '2099-01-01T00:00:00' } } };
  for (const targetId of ['pager', 'wall']) {
    const target = schedulerV1.NotificationTarget.fromPartial({ title: MARK, channel });
    await scheduler.createNotificationTarget({ parent: TWO, targetId, target });
  }
  for (const jobId of ['nightly', 'other']) {
    const job = schedulerV1.Job.fromPartial({ title: MARK, type: commonV1.JobType.DATA_BACKUP, start, remarks: MARK });
    await scheduler.createJob({ parent: TWO, jobId, job, confirmedCautions });
  }
  const name = `${TWO}/jobs/nightly`;
  await scheduler.enableJob({ name, etag: '', confirmedCautions });
  const runs: string[] = [];
  for (const requestId of ['first', 'second']) {
    const { run } = await scheduler.startJob({ name, confirmedCautions, requestId });
    await scheduler.cancelRun({ name: run, reason: MARK });
    await until(async () => (await scheduler.getRun({ name: run })).run?.finishTime !== undefined, 'the end of a run');
    await scheduler.testNotificationTarget({ name: `${TWO}/notification-targets/pager` });
    runs.push(idOf(run));
  }
  const { message } = await stack.seen('RunStarted', (m) => m.run?.run === runs[0]);
  return { run: runs[0] ?? '', spec: parseRunSpec(message.run) };
}

async function addReportsAndBackups(stack: Stack): Promise<{ report: string; backup: string; restore: string }> {
  const preflight = stack.client(preflightV1.PreflightServiceService);
  const failed = { failure: { reason: 'OFF', message: MARK } };
  const reports: string[] = [];
  for (let n = 0; n < 2; n++) {
    const { report } = await preflight.createReport({ parent: TWO, version: '', job: '' });
    for (const host of ['srv', 'ts']) {
      const mine = (o: hostOrderV1.HostOrder): boolean =>
        o.order.startsWith(idOf(report?.name ?? '')) && o.host === host;
      await answer(stack, 'collectFacts', mine, failed);
    }
    reports.push(report?.name ?? '');
  }
  await preflight.createBackup({ parent: TWO });
  let backup = '';
  await answer(
    stack,
    'takeBackup',
    ({ action }) => {
      backup = action?.$case === 'takeBackup' ? action.value.restorePoint : '';
      return true;
    },
    () => {
      const value = { restorePoint: backup, takenAt: new Date(), sizeBytes: 5n, sha256: 'x', verified: true };
      return { evidence: { $case: 'backup' as const, value } };
    },
  );
  const proof = preflightV1.BackupProof.fromPartial({ evidence: { $case: 'sha256', value: 'a'.repeat(64) } });
  await preflight.reportBackup({ parent: TWO, takenAt: new Date(), proof, sizeBytes: 5n });
  const name = `${TWO}/backups/${backup}`;
  await until(async () => (await preflight.getBackup({ name })).backup?.verified === true, 'the backup');
  const { name: restore } = await preflight.restoreBackup({ name, confirm: backup });
  await answer(stack, 'restoreBackup', () => true, {});
  return { report: idOf(reports[0] ?? ''), backup, restore: idOf(restore) };
}

type Result = Parameters<typeof hostOrderV1.OrderResult.fromPartial>[0];

/** As the host of `two` would. */
async function answer(
  stack: Stack,
  kind: string,
  fits: (order: hostOrderV1.HostOrder) => boolean,
  result: Result | (() => Result),
): Promise<void> {
  const isIt = ({ order: o }: EventMessage<'HostOrderIssued'>): boolean =>
    o?.installation === 'two' && o.action?.$case === kind && fits(o);
  const { message } = await stack.seen('HostOrderIssued', isIt);
  const said = hostOrderV1.OrderResult.fromPartial(typeof result === 'function' ? result() : result);
  await stack.publish('HostOrderCompleted', 'two', { order: message.order, result: said });
}

/** By a run whose users may hold it, and which has two plans before it and of its own; both wait for hosts that are not there. */
async function shutGate(stack: Stack, users: readonly User[], like: RunSpec): Promise<RunSpec> {
  const run = (id: string): RunSpec => ({
    ...{ ...like, run: id, type: 'software-update', toVersion: '2.0.0', fromVersion: '1.0.0', message: MARK },
    // Another host than that of the jobs, whose runs are newer.
    hosts: [{ host: 'ts', role: 'server', mayFollowLater: false }],
    ...{ reactionTimeMs: HOUR_MS, holdsAllowed: true, deadlineAt: Date.now() + DAY_MS, fence: like.fence },
  });
  const spec = run('gate-of-two');
  for (const one of [spec, run('before-that')]) {
    const passed = { run: runSpecToWire(one), report: `pf-${one.run}`, absentHosts: [] };
    await stack.publish('PreflightPassed', 'two', passed);
  }
  await stack.publish('StagingCompleted', 'two', { run: runSpecToWire(spec), absentHosts: [] });
  for (const user of users) {
    await until(() => user.heard.some((word) => word.includes(MARK) && word.includes('"notice"')), 'the notice');
    user.say({ $case: 'hold', value: { reason: MARK, duration: msToDuration(2 * HOUR_MS) } });
    await until(() => user.heard.some((word) => word.includes('holdDecision')), 'the decision');
  }
  return spec;
}

async function addOverrides(stack: Stack): Promise<string> {
  const preflight = stack.client(preflightV1.PreflightServiceService);
  const expireTime = new Date(Date.now() + 2 * HOUR_MS);
  let first = '';
  for (const job of ['nightly', 'other']) {
    const wanted = preflightV1.Override.fromPartial({ job, check: 'clock', host: 'srv', reason: MARK, expireTime });
    const { override } = await preflight.createOverride({ parent: TWO, override: wanted });
    first ||= idOf(override?.name ?? '');
  }
  return first;
}

/** Two that wait at each of the three services that have such actions. */
async function addApprovals(stack: Stack): Promise<string> {
  const catalog = stack.client(catalogV1.CatalogServiceService);
  const sessions = stack.client(sessionV1.SessionServiceService);
  const preflight = stack.client(preflightV1.PreflightServiceService);
  const change = (actions: string[]): Promise<unknown> => {
    const secondPerson = { actions, validFor: msToDuration(HOUR_MS) };
    const installation = catalogV1.Installation.fromPartial({ name: TWO, secondPerson });
    return catalog.updateInstallation({ installation, updateMask: ['second_person'] });
  };
  await change(['gate', 'override', 'logoff']);
  const found: string[] = [];
  for (const reason of [MARK, `${MARK}-2`]) {
    const override = preflightV1.Override.fromPartial({
      ...{ job: 'other', check: 'memory', host: 'srv', reason, expireTime: new Date(Date.now() + 2 * HOUR_MS) },
    });
    found.push(await refusedFor(() => sessions.openGate({ name: `${TWO}/gate`, reason })));
    found.push(await refusedFor(() => preflight.createOverride({ parent: TWO, override })));
    found.push(await refusedFor(() => change(reason === MARK ? [] : ['gate'])));
  }
  return found[0] ?? '';
}

/** Asked again until the service has heard of the rule. Answers the id of what waits now. */
async function refusedFor(ask: () => Promise<unknown>): Promise<string> {
  let approval = '';
  await until(async () => {
    const error: unknown = await ask().then(
      () => undefined,
      (e: unknown) => e,
    );
    if (!(error instanceof CallError)) return false;
    approval = error.facts['approval'] ?? '';
    return approval !== '';
  }, 'a second person to be needed');
  return approval;
}

async function firstOf(stack: Stack, kind: 'hold' | 'session'): Promise<string> {
  const sessions = stack.client(sessionV1.SessionServiceService);
  let found: readonly { readonly name: string }[] = [];
  await until(async () => {
    found =
      kind === 'hold'
        ? (await sessions.listHolds(sessionV1.ListHoldsRequest.fromPartial({ parent: TWO }))).holds
        : (await sessions.listSessions(sessionV1.ListSessionsRequest.fromPartial({ parent: TWO }))).sessions;
    return found.length > 1;
  }, `both ${kind}s of two`);
  return idOf(found[0]?.name ?? '');
}
