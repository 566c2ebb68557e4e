import { failure, isRejected, type RunSpec } from '@lastcall/kernel';
import { plan } from './plan.js';
import { hostsIn, orderOf, type PlanCommand, type PlanEvent, type PlanPolicy, type PlanState } from './plan-state.js';

const AT = 1_000;

function runOf(more: Partial<RunSpec> = {}): RunSpec {
  return {
    run: 'r-1',
    installation: 'berlin',
    job: 'job',
    type: 'software-update',
    kind: 'multi-user',
    product: 'encore',
    fromVersion: '11.0.0',
    toVersion: '11.1.0',
    hosts: [
      { host: 'srv', role: 'server', mayFollowLater: false },
      { host: 'ts', role: 'terminal-server', mayFollowLater: false },
      { host: 'ws', role: 'workstation', mayFollowLater: true },
    ],
    reactionTimeMs: 0,
    message: '',
    backupMode: 'take',
    backupMaxAgeMs: 0,
    fence: 7,
    nominalAt: 0,
    startedAt: 0,
    deadlineAt: 1_000_000,
    requestedBy: 'operator',
    timeZone: 'UTC',
    holdsAllowed: false,
    whatsNew: '',
    ...more,
  };
}

const AT_ONCE: PlanPolicy = { settleMs: 0, parallelHosts: 10 };

const begin = (more: Partial<RunSpec> = {}, absentHosts: string[] = [], policy = AT_ONCE): PlanCommand => ({
  type: 'begin',
  run: runOf(more),
  absentHosts,
  policy,
  at: AT,
});

/** Finishes whatever order the host is at. */
type Script = PlanCommand | { finish: string; version?: string; fails?: string; restored?: boolean };

function given(...script: Script[]): { state: PlanState; last: readonly PlanEvent[] } {
  let state = plan.initial;
  let last: readonly PlanEvent[] = [];
  for (const step of script) {
    const decided = plan.decide(state, 'finish' in step ? finish(state, step) : step);
    if (isRejected(decided)) throw new Error(decided.message);
    last = decided;
    state = decided.reduce((s, e) => plan.evolve(s, e), state);
  }
  return { state, last };
}

function finish(state: PlanState, step: Exclude<Script, PlanCommand>): PlanCommand {
  const task = state.phase === 'none' ? undefined : state.tasks[step.finish];
  return {
    type: 'finish-order',
    host: step.finish,
    order: orderOf(task) ?? 'none',
    installedVersion: step.version ?? '11.1.0',
    dataChanged: step.restored ?? false,
    at: AT,
    ...(step.fails !== undefined && { failure: failure(step.fails, 'it failed', step.finish) }),
  };
}

const types = (events: readonly PlanEvent[]): string[] => events.map((e) => e.type);
const ordersIn = (events: readonly PlanEvent[]): string[] =>
  events.flatMap((e) => (e.type === 'ordered' ? [e.order] : []));

const staged: Script[] = [begin(), { finish: 'srv' }, { finish: 'ts' }, { finish: 'ws' }];
const backup: PlanCommand = { type: 'note-backup', restorePoint: 'rp-1', at: AT };
const drained: PlanCommand = { type: 'confirm-drain', at: AT };
const cancel: PlanCommand = { type: 'cancel', run: runOf(), requestedBy: 'anna', reason: 'not today', expired: false };
const installing: Script[] = [...staged, backup, drained];
const all: Script[] = [...installing, { finish: 'srv' }, { finish: 'ts' }, { finish: 'ws' }];
const failed: Script[] = [...installing, { finish: 'srv' }, { finish: 'ts', fails: 'HEALTH_FAILED' }];
const stopped: Script[] = [...failed, { finish: 'ts' }, { finish: 'ws' }];
const back = (finish: string, restored = false): Script => ({ finish, version: '11.0.0', restored });
const watched: Script[] = [begin({}, [], { settleMs: 60_000, parallelHosts: 10 }), ...staged.slice(1), backup, drained];

describe('staging', () => {
  it('orders every host that is there', () =>
    expect(ordersIn(given(begin({}, ['ws'])).last)).toEqual(['r-1.srv.stage-1', 'r-1.ts.stage-1']));
  it('is complete when every host has it, and says so once', () => {
    expect(types(given(...staged).last)).toEqual(['host-staged', 'staged']);
    expect(given(...staged, { finish: 'ws' }).last).toEqual([]);
  });
  it('fails with the first host that cannot', () =>
    expect(given(begin(), { finish: 'ts', fails: 'DISK_FULL' }).last).toMatchObject([
      { type: 'staging-failed', failure: { reason: 'DISK_FULL', host: 'ts' } },
    ]));
  it('leaves out a workstation that was switched off since the checks, and no other host', () => {
    const left = given(begin(), { finish: 'srv' }, { finish: 'ts' }, { finish: 'ws', fails: 'TIMED_OUT' });
    expect(types(left.last)).toEqual(['host-left-out', 'staged']);
    expect(types(given(begin(), { finish: 'ts', fails: 'TIMED_OUT' }).last)).toEqual(['staging-failed']);
  });
  it('does not begin twice', () => expect(given(begin(), begin()).last).toEqual([]));
  it.each([
    ['NOTHING_TO_ROLL_BACK_TO', begin({ fromVersion: '' })],
    ['HOST_ABSENT', begin({}, ['srv'])],
    ['HOST_ABSENT', begin({}, ['ts'])],
    ['NO_HOST', begin({ hosts: [] })],
  ])('refuses a plan that cannot end well: %s', (reason, command) =>
    expect(given(command).last).toMatchObject([{ type: 'planned' }, { type: 'staging-failed', failure: { reason } }]),
  );
  it('ends by its own deadline', () => {
    const expired = given(begin(), { finish: 'srv' }, { type: 'expire', at: AT });
    expect(expired.state).toMatchObject({ phase: 'cancelled', failure: { reason: 'TIMED_OUT', host: 'ts' } });
  });
});

describe('the start of the install', () => {
  it('waits for backup and drain, in either order', () => {
    for (const conditions of [
      [backup, drained],
      [drained, backup],
    ]) {
      const { state, last } = given(...staged, ...conditions);
      expect(types(last).slice(-2)).toEqual(['install-started', 'ordered']);
      expect(state).toMatchObject({ phase: 'installing', restorePoint: 'rp-1' });
      expect(ordersIn(last)).toEqual(['r-1.srv.install-1']);
    }
    expect(given(...staged, drained).state.phase).toBe('staged');
  });
  it('waits for the backup alone where there is no gate', () =>
    expect(
      given(begin({ kind: 'single-user' }), { finish: 'srv' }, { finish: 'ts' }, { finish: 'ws' }, backup).state,
    ).toMatchObject({ phase: 'installing' }));
  it('comes at once when the last host stages after both', () =>
    expect(types(given(begin(), { finish: 'srv' }, { finish: 'ts' }, drained, backup, { finish: 'ws' }).last)).toEqual([
      'host-staged',
      'staged',
      'install-started',
      'ordered',
    ]));
  it('begins with the only host where there is no server', () => {
    const hosts = [{ host: 'desk', role: 'workstation', mayFollowLater: true }] as const;
    const { last } = given(begin({ kind: 'single-user', hosts }), { finish: 'desk' }, backup);
    expect(ordersIn(last)).toEqual(['r-1.desk.install-1']);
  });
  it('does not come after a failed backup or drain', () => {
    const why = failure('DRAIN_FAILED', 'somebody is inside');
    const { state, last } = given(...staged, { type: 'abandon', failure: why }, backup, drained);
    expect(state).toMatchObject({ phase: 'cancelled', failure: why });
    expect(last).toEqual([]);
  });
});

describe('a request to cancel', () => {
  it('is granted before the install and remembered', () => {
    for (const before of [[], [begin()], staged]) {
      const granted = given(...before, cancel);
      expect(types(granted.last)).toEqual(['cancelled']);
      expect(given(...before, cancel, cancel, begin(), backup, drained).last).toEqual([]);
    }
  });
  it('is answered once for a plan that had failed already', () => {
    const broken: Script[] = [begin(), { finish: 'ts', fails: 'DISK_FULL' }];
    expect(types(given(...broken, cancel).last)).toEqual(['cancelled']);
    expect(given(...broken, cancel, cancel).last).toEqual([]);
  });
  it('comes too late once the install has started', () => {
    for (const after of [installing, all, failed]) expect(given(...after, cancel).last).toEqual([]);
  });
});

describe('installing', () => {
  it('does the others together when the server is done', () => {
    const { last } = given(...installing, { finish: 'srv' });
    expect(types(last)).toEqual(['host-updated', 'ordered', 'ordered']);
    expect(ordersIn(last)).toEqual(['r-1.ts.install-1', 'r-1.ws.install-1']);
  });
  it('ends updated when all are', () => expect(types(given(...all).last)).toEqual(['host-updated', 'updated']));
  it('does not believe a host that names another version', () =>
    expect(given(...installing, { finish: 'srv', version: '11.0.0' }).state).toMatchObject({
      phase: 'rolling-back',
      failure: { reason: 'WRONG_VERSION', host: 'srv' },
    }));
});

describe('several hosts at once', () => {
  const one: Script[] = [begin({}, [], { settleMs: 0, parallelHosts: 1 }), ...staged.slice(1), backup, drained];
  it('are no more than may be', () => {
    expect(ordersIn(given(...one, { finish: 'srv' }).last)).toEqual(['r-1.ts.install-1']);
    expect(ordersIn(given(...one, { finish: 'srv' }, { finish: 'ts' }).last)).toEqual(['r-1.ws.install-1']);
    expect(types(given(...one, { finish: 'srv' }, { finish: 'ts' }, { finish: 'ws' }).last)).toEqual([
      'host-updated',
      'updated',
    ]);
  });
  it('leave alone whom the failure came before', () =>
    expect(ordersIn(given(...one, { finish: 'srv' }, { finish: 'ts', fails: 'X' }).last)).toEqual(['r-1.ts.stop-1']));
  it('are all of them in plans of before there was a limit', () => {
    const { policy: _, ...state } = given(...installing).state as Extract<PlanState, { phase: 'installing' }>;
    const done = plan.decide(state, finish(state, { finish: 'srv' })) as readonly PlanEvent[];
    expect(ordersIn(done)).toEqual(['r-1.ts.install-1', 'r-1.ws.install-1']);
  });
});

describe('settling', () => {
  it('begins on each host when it is healthy, and the others do not wait for it', () =>
    expect(ordersIn(given(...watched, { finish: 'srv' }).last)).toEqual([
      'r-1.srv.settle-1',
      'r-1.ts.install-1',
      'r-1.ws.install-1',
    ]));
  it('is what the outcome waits for', () => {
    const healthy: Script[] = [...watched, { finish: 'srv' }, { finish: 'ts' }, { finish: 'ws' }];
    expect(given(...healthy).state.phase).toBe('installing');
    expect(types(given(...healthy, { finish: 'srv' }, { finish: 'ws' }, { finish: 'ts' }).last)).toEqual([
      'host-updated',
      'updated',
    ]);
  });
  it('brings everything back when a host does not stay healthy', () => {
    const ill = given(...watched, { finish: 'srv' }, { finish: 'ts' }, { finish: 'srv', fails: 'HEALTH_LOST' });
    expect(ill.state).toMatchObject({ phase: 'rolling-back', failure: { reason: 'HEALTH_LOST', host: 'srv' } });
    expect(ordersIn(ill.last)).toEqual(['r-1.ts.stop-1', 'r-1.ws.stop-1']);
  });
  it('is left out with an agent that does not know it', () =>
    expect(types(given(...watched, { finish: 'srv' }, { finish: 'srv', fails: 'UNKNOWN_ACTION' }).last)).toEqual([
      'host-updated',
    ]));
});

describe('a quarantined host', () => {
  const lost: Script[] = [...failed, { finish: 'ts', fails: 'TIMED_OUT' }, { finish: 'ws' }, back('srv'), back('ws')];
  const release = (host: string, data?: 'restore' | 'keep'): PlanCommand => ({
    ...{ type: 'release', host, at: AT },
    ...(data && { data }),
  });
  const refused = (state: PlanState, command: PlanCommand) => plan.decide(state, command);

  it('is brought back once more when a person asks, and then nothing is left to do', () => {
    const asked = given(...lost, release('ts'));
    expect(ordersIn(asked.last)).toEqual(['r-1.ts.roll-back-1']);
    expect(given(...lost, release('ts'), release('ts')).last).toEqual([]);
    const { state, last } = given(...lost, release('ts'), back('ts'));
    expect(types(last)).toEqual(['host-released', 'all-released']);
    expect(state).toMatchObject({ phase: 'rolled-back', tasks: { ts: { state: 'rolled-back' } } });
  });
  it('stays quarantined when it fails again, and the next order has another name', () => {
    const again = given(...lost, release('ts'), { finish: 'ts', fails: 'HEALTH_FAILED' });
    expect(again.state).toMatchObject({
      phase: 'quarantined',
      tasks: { ts: { failure: { reason: 'HEALTH_FAILED' } } },
    });
    const next = given(...lost, release('ts'), { finish: 'ts', fails: 'HEALTH_FAILED' }, release('ts'));
    expect(ordersIn(next.last)).toEqual(['r-1.ts.roll-back-2']);
  });
  it('with the data is brought back only when it was said what becomes of the data', () => {
    const noServer: Script[] = [...installing, { finish: 'srv', fails: 'X' }, { finish: 'srv', fails: 'TIMED_OUT' }];
    expect(refused(given(...noServer).state, release('srv'))).toMatchObject({ code: 'invalid' });
    expect(given(...noServer, release('srv', 'keep')).last).toMatchObject([{ keepData: true }]);
    expect(given(...noServer, release('srv', 'restore')).last).not.toMatchObject([{ keepData: true }]);
  });
  it('waits while the host with the data is brought back', () => {
    const expire: PlanCommand = { type: 'expire', at: AT };
    const nobody: Script[] = [...installing, { finish: 'srv' }, expire, expire, expire];
    const server = given(...nobody, release('srv', 'keep')).state;
    expect(refused(server, release('ts'))).toMatchObject({ reason: 'SERVER_COMES_BACK', facts: { host: 'ts' } });
    expect(ordersIn(given(...nobody, release('srv', 'keep'), back('srv'), release('ts')).last)).toEqual([
      'r-1.ts.roll-back-1',
    ]);
  });
  it('is the only one that can be released', () => {
    for (const script of [lost, installing, all]) {
      expect(refused(given(...script).state, release('srv', 'keep'))).toMatchObject({ reason: 'NOT_QUARANTINED' });
    }
  });
});

describe('rolling back', () => {
  it('stops all others that were given an install order, before the host with the data goes back', () => {
    expect(ordersIn(given(...failed).last)).toEqual(['r-1.ts.stop-1', 'r-1.ws.stop-1']);
    expect(given(...failed, { finish: 'ws' }).last.map((e) => e.type)).toEqual(['host-stopped']);
    expect(ordersIn(given(...stopped).last)).toEqual(['r-1.srv.roll-back-1']);
    expect(ordersIn(given(...stopped, back('srv', true)).last)).toEqual(['r-1.ts.roll-back-1', 'r-1.ws.roll-back-1']);
  });
  it('leaves alone whom it never touched', () =>
    expect(ordersIn(given(...installing, { finish: 'srv', fails: 'MIGRATE_FAILED' }).last)).toEqual([
      'r-1.srv.roll-back-1',
    ]));
  it('ends rolled back when all are', () => {
    const { state, last } = given(...stopped, back('srv', true), back('ws'), back('ts'));
    expect(types(last)).toEqual(['host-rolled-back', 'rolled-back']);
    expect(state).toMatchObject({ failure: { reason: 'HEALTH_FAILED', host: 'ts' } });
  });
  it('goes on with a host that could not be stopped, and quarantines one that is silent', () => {
    const { state } = given(...failed, { finish: 'ts', fails: 'COMMAND_FAILED' }, { finish: 'ws', fails: 'TIMED_OUT' });
    expect(state).toMatchObject({ tasks: { ts: { state: 'stopped' }, ws: { state: 'quarantined' } } });
    expect(state).toMatchObject({ tasks: { srv: { state: 'rolling-back' } } });
  });
  it('tries once more, then quarantines, and waits for the others', () => {
    const ready: Script[] = [...stopped, back('srv')];
    const again = given(...ready, { finish: 'ts', fails: 'SWAP_FAILED' });
    expect(ordersIn(again.last)).toEqual(['r-1.ts.roll-back-2']);
    const lost: Script[] = [...ready, { finish: 'ts', fails: 'SWAP_FAILED' }, { finish: 'ts', fails: 'SWAP_FAILED' }];
    expect(types(given(...lost).last)).toEqual(['host-quarantined']);
    expect(types(given(...lost, back('ws')).last)).toEqual(['host-rolled-back', 'quarantined']);
  });
  it('does not wait a second time for a host that was silent', () =>
    expect(types(given(...stopped, { finish: 'srv', fails: 'TIMED_OUT' }).last)).toEqual([
      'host-quarantined',
      'ordered',
      'ordered',
    ]));
  it('is forced to an end by its own deadline', () => {
    const expire: PlanCommand = { type: 'expire', at: AT };
    const { state } = given(...installing, expire, expire);
    expect(state).toMatchObject({ phase: 'quarantined', failure: { reason: 'TIMED_OUT', host: 'srv' } });
    expect(state.phase !== 'none' && hostsIn(state.tasks, 'quarantined')).toEqual(['srv']);
  });
  it('takes no notice of the install that was overtaken', () => {
    const late: PlanCommand = {
      ...{ type: 'finish-order', host: 'ws', order: 'r-1.ws.install-1', installedVersion: '11.1.0' },
      ...{ dataChanged: false, at: AT },
    };
    expect(given(...failed, late).last).toEqual([]);
  });
});
