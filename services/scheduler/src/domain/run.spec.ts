import { failure, isRejected, run as runDecider, type RunSpec } from '@lastcall/kernel';
import fc from 'fast-check';
import { sampleSpec } from '../testing/sample-spec.js';
import type { Heard } from './heard.js';
import { canBeCancelled, run, type RunCommand, type RunEvent, type RunState } from './run.js';
import { STEPS_UNTIL, TIMELINE_MAX } from './timeline.js';

const SPEC = sampleSpec();
const SINGLE: RunSpec = { ...SPEC, kind: 'single-user' };
const BACKUP: RunSpec = { ...SPEC, type: 'data-backup', toVersion: '' };
const WINDOW: RunSpec = { ...SPEC, type: 'maintenance-window', closedForMs: 60, toVersion: '', hosts: [] };
const COMMAND: RunSpec = { ...SPEC, type: 'run-command', command: 'reindex', toVersion: '' };
const broken = failure('BROKEN', 'it broke');

const HEARD: readonly Heard[] = [
  { event: 'PreflightPassed', report: 'p-1', absentHosts: ['desk'] },
  { event: 'PreflightFailed', report: 'p-1', failure: broken },
  { event: 'StagingCompleted', absentHosts: ['desk'] },
  { event: 'StagingFailed', failure: broken },
  { event: 'GateClosed', epoch: 1 },
  { event: 'NoticeSent', deadlineAt: 5, sessions: 40 },
  { event: 'SessionsDrained', drain: { told: 40, acknowledged: 39, left: 20, ended: 20, lost: 0 } },
  { event: 'MaintenanceBegun', drain: { told: 4, acknowledged: 4, left: 1, ended: 3, lost: 0 }, endAt: 70 },
  { event: 'DrainFailed', failure: broken },
  { event: 'DrainFailed', failure: failure('POSTPONED_BY_HOLDS', 'ada is not ready') },
  {
    event: 'BackupTaken',
    backup: { restorePoint: 'rp', host: 'server', version: '11.0.0', takenAt: 6, sizeBytes: 1, sha256: 'x' },
  },
  { event: 'BackupFailed', failure: broken },
  { event: 'DrainConfirmed' },
  { event: 'InstallStarted', restorePoint: 'rp' },
  { event: 'HostUpdated', host: 'server', from: '11.0.0', to: '11.1.0' },
  { event: 'InstallationUpdated', absentHosts: [] },
  { event: 'InstallationRolledBack', failure: broken, dataRestored: true },
  { event: 'InstallationQuarantined', failure: broken, rollbackFailures: [broken] },
  { event: 'CommandsStarted', hosts: ['server'] },
  { event: 'CommandsRun', results: [{ host: 'server', output: 'done' }] },
  { event: 'CommandsFailed', failure: broken, results: [{ host: 'server', output: 'no', failure: broken }] },
  { event: 'FirstStartProven', host: 'ts', version: '11.1.0' },
  { event: 'RunCancelled', by: 'anna', reason: 'not tonight', expired: false },
  { event: 'RunCancelled', by: 'scheduler', reason: 'too long', expired: true },
  { event: 'GateReopened', outcome: undefined, failure: undefined, shutHosts: {}, closedAt: undefined },
  { event: 'GateReopened', outcome: 'succeeded', failure: undefined, shutHosts: {}, closedAt: 4 },
  { event: 'GateReopened', outcome: 'quarantined', failure: broken, shutHosts: { server: 'broken' }, closedAt: 4 },
  { event: 'HostOrderProgressed', host: 'server', step: 'migrate' },
];

const GATE_OPEN = {
  event: 'GateReopened',
  outcome: undefined,
  failure: undefined,
  shutHosts: {},
  closedAt: undefined,
} as const satisfies Heard;
const named = (event: Heard['event'], nth = 0): Heard => HEARD.filter((h) => h.event === event)[nth] as Heard;
const hear = (event: Heard['event'], nth = 0): RunCommand => ({ type: 'hear', heard: named(event, nth), at: 10 });
const open = (spec = SPEC): RunCommand => ({ type: 'open', spec });
const cancel: RunCommand = { type: 'cancel', by: 'anna', reason: 'not tonight', at: 9 };
const expire: RunCommand = { type: 'expire', at: 101 };
const endHard: RunCommand = { type: 'end-hard', at: 999 };

function given(...commands: readonly RunCommand[]) {
  const events: RunEvent[] = [];
  const refused: string[] = [];
  let state: RunState = run.initial;
  for (const command of commands) {
    const decision = runDecider(run, state, command);
    if (isRejected(decision)) refused.push(decision.reason);
    else {
      state = decision.state;
      events.push(...decision.events);
    }
  }
  return { state, events, refused };
}

describe('a run that passes the gate', () => {
  it('goes through its phases and ends when the gate is open', () => {
    const phases = [
      ['PreflightPassed', 'staging'],
      ['StagingCompleted', 'draining'],
      ['SessionsDrained', 'backing-up'],
      ['BackupTaken', 'confirming'],
      ['DrainConfirmed', 'installing'],
      ['InstallationUpdated', 'reopening'],
    ] as const;
    const commands = [open()];
    for (const [event, phase] of phases) {
      commands.push(hear(event));
      expect(given(...commands).state.phase).toBe(phase);
    }
    const { state } = given(...commands, hear('GateReopened', 1));
    expect(state).toMatchObject({ phase: 'ended', ending: { outcome: 'succeeded' }, alarm: false, finishedAt: 10 });
  });

  it('does not end before the gate is open, whatever failed', () => {
    const { state } = given(open(), hear('StagingFailed'));
    expect(state).toMatchObject({ phase: 'preflight', ending: { outcome: 'failed', failure: broken } });
    expect(given(open(), hear('StagingFailed'), hear('GateReopened')).state).toMatchObject({
      phase: 'ended',
      ending: { outcome: 'failed', failure: broken },
    });
  });

  it('is postponed when holds left no room for it, without an alarm', () => {
    const drained = [open(), hear('StagingCompleted'), hear('DrainFailed', 1)];
    expect(given(...drained).state).toMatchObject({ phase: 'draining', ending: { outcome: 'postponed' } });
    const answered: Heard = { ...GATE_OPEN, outcome: 'postponed' };
    for (const heard of [answered, GATE_OPEN]) {
      expect(given(...drained, { type: 'hear', heard, at: 10 }).state).toMatchObject({
        phase: 'ended',
        ending: { outcome: 'postponed', failure: { reason: 'POSTPONED_BY_HOLDS' } },
        alarm: false,
      });
    }
    const alone = given(open(), { type: 'hear', heard: answered, at: 10 }, hear('DrainFailed', 1)).state;
    expect(alone).toMatchObject({ phase: 'ended', ending: { outcome: 'postponed' }, alarm: false });
  });

  it('ends with an alarm when hosts stay shut', () => {
    const { state } = given(open(), hear('InstallationQuarantined'), hear('GateReopened', 2));
    expect(state).toMatchObject({ phase: 'ended', ending: { outcome: 'quarantined' }, alarm: true });
  });

  it('never goes back a phase', () => {
    expect(given(open(), hear('DrainConfirmed'), hear('PreflightPassed')).state.phase).toBe('installing');
  });

  it('can be cancelled once, until the install has begun, and not after the end', () => {
    expect(given(open(), cancel, cancel).events.filter((e) => e.type === 'cancel-requested')).toHaveLength(1);
    expect(given(open(), hear('InstallStarted'), cancel).refused).toEqual(['INSTALL_STARTED']);
    expect(given(open(), hear('GateReopened'), cancel).refused).toEqual(['RUN_ENDED']);
  });

  it('asks for its end when its time is up, and is ended hard when nobody answers', () => {
    expect(given(open(), expire, expire).events.filter((e) => e.type === 'cancel-requested')).toMatchObject([
      { expired: true, by: 'scheduler' },
    ]);
    expect(given(open(), expire, endHard).state).toMatchObject({ ending: { outcome: 'expired' }, alarm: true });
    expect(given(open(), hear('InstallStarted'), endHard).state).toMatchObject({ ending: { outcome: 'quarantined' } });
  });

  it('keeps what its report needs: phases, notice, versions of each host, the way back, hosts that stay shut', () => {
    const at = (event: Heard['event'], time: number, nth = 0): RunCommand =>
      ({ ...hear(event, nth), at: time }) as RunCommand;
    const begun = [
      at('PreflightPassed', 10),
      at('StagingCompleted', 20),
      at('NoticeSent', 30),
      at('SessionsDrained', 40),
    ];
    const done = [at('HostUpdated', 60), at('InstallationQuarantined', 70), at('GateReopened', 80, 2)];
    const { state } = given(open(), ...begun, at('DrainConfirmed', 50), ...done);
    expect(state).toMatchObject({
      findings: {
        phaseBegan: { preflight: 0, staging: 10, draining: 20, 'backing-up': 40, installing: 50, reopening: 70 },
        ...{ noticeAt: 30, logoffAt: 5, told: 40, shutHosts: { server: 'broken' } },
        ...{ versionsBefore: { server: '11.0.0' }, wayBack: { dataRestored: false, failures: [broken] } },
      },
    });
  });

  it('forgets the versions of hosts that were brought back', () => {
    const { state } = given(open(), hear('HostUpdated'), hear('InstallationRolledBack'));
    expect(state).toMatchObject({ findings: { versionsAfter: {} } });
  });

  it('bounds its timeline, and keeps room in it for its end', () => {
    const steps = Array.from({ length: TIMELINE_MAX }, () => hear('HostOrderProgressed'));
    const { state } = given(open(), ...steps, hear('GateReopened', 1));
    expect(state.phase !== 'none' && state.timeline.length).toBe(STEPS_UNTIL + 1);
    expect(state.phase !== 'none' && state.timeline.at(-1)?.event).toBe('GateReopened');
    const many = Array.from({ length: TIMELINE_MAX }, () => hear('HostUpdated'));
    const full = given(open(), ...many, hear('HostUpdated')).state;
    expect(full.phase !== 'none' && full.timeline.length).toBe(TIMELINE_MAX);
  });
});

describe('a maintenance window', () => {
  it('begins with the drain, is closed for its time and ends when the gate is open', () => {
    expect(given(open(WINDOW)).state).toMatchObject({ phase: 'draining', findings: { phaseBegan: { draining: 0 } } });
    const { state } = given(open(WINDOW), hear('GateClosed'), hear('MaintenanceBegun'));
    expect(state).toMatchObject({ phase: 'closed', findings: { maintenanceEndAt: 70, drain: { ended: 3 } } });
    expect(canBeCancelled(state)).toBe(true);
    const ended = given(open(WINDOW), hear('MaintenanceBegun'), hear('GateReopened', 1)).state;
    expect(ended).toMatchObject({ phase: 'ended', ending: { outcome: 'succeeded' }, alarm: false });
  });

  it('says who ended it before its time', () => {
    const heard: Heard = { ...GATE_OPEN, outcome: 'succeeded', closedAt: 1, openedBy: 'otto: All disks are in.' };
    const { state } = given(open(WINDOW), hear('MaintenanceBegun'), { type: 'hear', heard, at: 10 });
    expect(state.phase !== 'none' && state.timeline.at(-1)?.text).toBe(
      'users may log in; opened before its time by otto: All disks are in.',
    );
  });

  it('ends with an alarm when nobody answers, because the gate may be shut', () =>
    expect(given(open(WINDOW), hear('MaintenanceBegun'), expire, endHard).state).toMatchObject({
      phase: 'ended',
      ending: { outcome: 'expired' },
      alarm: true,
    }));
});

describe('a run of a command', () => {
  it('is checked, then the hosts are told, and it ends with what they answer', () => {
    expect(given(open(COMMAND), hear('PreflightPassed')).state).toMatchObject({
      phase: 'preflight',
      timeline: [{ text: 'command reindex' }, { text: 'every check is green; not there, and left out: desk' }],
    });
    const begun = [open(COMMAND), hear('PreflightPassed'), hear('CommandsStarted')];
    expect(given(...begun).state).toMatchObject({ phase: 'commanding', findings: { phaseBegan: { commanding: 10 } } });
    const { state } = given(...begun, hear('CommandsFailed'));
    const commandResults = [{ host: 'server', output: 'no' }];
    expect(state).toMatchObject({ phase: 'ended', ending: { outcome: 'failed', failure: broken }, alarm: false });
    expect(state).toMatchObject({ findings: { commandResults } });
  });

  it('can be cancelled until the hosts are told', () => {
    expect(canBeCancelled(given(open(COMMAND), hear('PreflightPassed')).state)).toBe(true);
    expect(given(open(COMMAND), hear('CommandsStarted'), cancel).refused).toEqual(['COMMAND_STARTED']);
  });

  it('ends as expired when no host was told in time, as failed when nobody says what came of it', () => {
    expect(given(open(COMMAND), expire, endHard).state).toMatchObject({ ending: { outcome: 'expired' }, alarm: true });
    const told = given(open(COMMAND), hear('CommandsStarted'), expire, endHard).state;
    expect(told).toMatchObject({ ending: { outcome: 'failed', failure: { reason: 'NO_OUTCOME' } }, alarm: true });
  });
});

describe('a run without a gate', () => {
  it.each([
    [COMMAND, 'CommandsRun', 'succeeded', false],
    [COMMAND, 'CommandsFailed', 'failed', false],
    [COMMAND, 'PreflightFailed', 'failed', false],
    [COMMAND, 'RunCancelled', 'cancelled', false],
    [SINGLE, 'InstallationUpdated', 'succeeded', false],
    [SINGLE, 'InstallationRolledBack', 'rolled-back', false],
    [SINGLE, 'InstallationQuarantined', 'quarantined', true],
    [SINGLE, 'StagingFailed', 'failed', false],
    [SINGLE, 'RunCancelled', 'cancelled', false],
    [BACKUP, 'BackupTaken', 'succeeded', false],
    [BACKUP, 'BackupFailed', 'failed', false],
    [BACKUP, 'PreflightFailed', 'failed', false],
  ] as const)('%# ends with %s', (spec, event, outcome, alarm) => {
    expect(given(open(spec), hear(event)).state).toMatchObject({ phase: 'ended', ending: { outcome }, alarm });
  });
  it('goes on after the backup of an update', () => {
    expect(given(open(SINGLE), hear('BackupTaken')).state.phase).toBe('confirming');
  });
});

it('ends exactly once, keeps its outcome and folds to the same state, whatever comes in whatever order', () => {
  const command = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...HEARD).map((heard): RunCommand => ({ type: 'hear', heard, at: 10 })) },
    { weight: 1, arbitrary: fc.constantFrom(cancel, expire, endHard, open()) },
  );
  const spec = fc.constantFrom(SPEC, SINGLE, BACKUP, WINDOW, COMMAND);
  fc.assert(
    fc.property(spec, fc.array(command, { maxLength: 40 }), (s, commands) => {
      const { state, events } = given(open(s), ...commands);
      const ended = events.filter((e) => e.type === 'ended');
      expect(ended.length).toBeLessThanOrEqual(1);
      expect(state.phase === 'ended').toBe(ended.length === 1);
      expect(events.filter((e) => e.type === 'opened')).toHaveLength(1);
      if (state.phase === 'ended') {
        expect(state.ending).toEqual(ended[0]?.ending);
        if (state.ending.outcome === 'quarantined') expect(state.alarm).toBe(true);
        // Only users' holds postpone a run, and only one that has users.
        if (state.ending.outcome === 'postponed') expect([SPEC, WINDOW]).toContain(s);
        if (state.ending.outcome !== 'succeeded' && s === BACKUP) expect(state.ending.failure).toBeDefined();
      }
      expect(events.reduce((folded, e) => run.evolve(folded, e), run.initial)).toEqual(state);
    }),
  );
});

it('knows when a request to cancel would still change anything', () => {
  const command = fc.oneof(
    fc.constantFrom(...HEARD).map((heard): RunCommand => ({ type: 'hear', heard, at: 10 })),
    fc.constantFrom(cancel, expire),
  );
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 12 }),
      fc.subarray([open(COMMAND), open(), open(WINDOW)]),
      (commands, opened) => {
        let state: RunState = run.initial;
        for (const next of [...opened, ...commands]) {
          const decision = runDecider(run, state, next);
          if (!isRejected(decision)) ({ state } = decision);
        }
        const asked = runDecider(run, state, cancel);
        expect(canBeCancelled(state)).toBe(!isRejected(asked) && asked.events.length > 0);
      },
    ),
  );
});
