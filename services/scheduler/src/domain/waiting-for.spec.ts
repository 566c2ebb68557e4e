import { failure, isRejected, run as runDecider, type RunSpec } from '@lastcall/kernel';
import { sampleSpec } from '../testing/sample-spec.js';
import type { Heard } from './heard.js';
import { run, type RunCommand, type RunState } from './run.js';
import { waitingFor, type Seen } from './waiting-for.js';

const SPEC = sampleSpec({
  hosts: [
    { host: 'server', role: 'server', mayFollowLater: false },
    { host: 'berlin-ts1', role: 'terminal-server', mayFollowLater: false },
  ],
  deadlineAt: 9_000,
  holdsAllowed: true,
});
const passed: Heard = { event: 'PreflightPassed', report: 'p-1', absentHosts: [] };
const staged: Heard = { event: 'StagingCompleted', absentHosts: [] };
const told: Heard = { event: 'NoticeSent', deadlineAt: 5_000, sessions: 38 };
const drained: Extract<Heard, { event: 'SessionsDrained' }> = {
  event: 'SessionsDrained',
  drain: { told: 38, acknowledged: 38, left: 30, ended: 8, lost: 0 },
};
const backup: Heard = {
  event: 'BackupTaken',
  backup: { restorePoint: 'rp', host: 'server', version: '11.0.0', takenAt: 6, sizeBytes: 1, sha256: 'x' },
};
const confirmed: Heard = { event: 'DrainConfirmed' };
const updated: Heard = { event: 'InstallationUpdated', absentHosts: [] };
const broken: Heard = { event: 'InstallationRolledBack', failure: failure('X', 'x'), dataRestored: true };
const CANCEL: RunCommand = { type: 'cancel', by: 'anna', reason: 'not tonight', at: 9 };

function after(spec: RunSpec, ...what: readonly (Heard | RunCommand)[]): RunState {
  const commands = what.map((w): RunCommand => ('event' in w ? { type: 'hear', heard: w, at: 10 } : w));
  let state: RunState = run.initial;
  for (const command of [{ type: 'open', spec } as const, ...commands]) {
    const decision = runDecider(run, state, command);
    if (!isRejected(decision)) ({ state } = decision);
  }
  return state;
}

const task = (host: string, state: string, step = '', done = 0, total = 0) => ({ host, state, step, done, total });
const said = (state: RunState, seen: Seen = {}, now = 100) => waitingFor(state, seen, now);

it('says until when a maintenance window lasts, and how it is ended sooner', () => {
  const window = sampleSpec({
    type: 'maintenance-window',
    closedForMs: 60,
    toVersion: '',
    hosts: [],
    deadlineAt: 9_000,
  });
  const { drain } = drained;
  const waiting = said(after(window, told, { event: 'MaintenanceBegun', drain, endAt: 70 }));
  expect(waiting).toMatchObject({ dueAt: 70, text: expect.stringContaining('shut for maintenance') });
  expect(waiting?.actions.map((action) => action.slice(0, action.indexOf(':')))).toEqual(['cancel', 'end it now']);
});

describe('a run says what it waits for', () => {
  it.each<[string, RunState, Seen, string, number]>([
    ['checks', after(SPEC), {}, 'waiting for fresh facts of hosts server, berlin-ts1 and every check', 9_000],
    ['staging, unknown how far', after(SPEC, passed), {}, 'waiting for hosts server, berlin-ts1 to download and verify the release', 9_000],
    [
      'staging, one host behind', after(SPEC, passed),
      { hosts: [task('server', 'staged'), task('berlin-ts1', 'staging', 'download', 43, 100)] },
      'waiting for host berlin-ts1 (download 43 %) to download and verify the release', 9_000,
    ],
    ['the gate', after(SPEC, passed, staged), {}, 'waiting for the gate to shut and for the notice to the users', 9_000],
    ['users, unknown how many', after(SPEC, passed, staged, told), {}, 'the reaction time runs: 38 users were told', 5_000],
    ['users', after(SPEC, passed, staged, told), { inside: 12, logoffAt: 6_000 }, 'the reaction time runs: 12 of 38 users still logged in', 6_000],
    ['the last user', after(SPEC, passed, staged, told), { inside: 1 }, 'waiting for the proof that nobody is inside: 1 of 38 users still logged in', 9_000],
    ['the backup', after(SPEC, passed, staged, told, drained), {}, 'waiting for the data backup and its proof on host server', 9_000],
    ['the second proof', after(SPEC, passed, staged, told, drained, backup), {}, 'waiting for the second proof that the gate is shut and nobody is inside', 9_000],
    [
      'the install', after(SPEC, confirmed), { hosts: [task('server', 'installing', 'migrate'), task('berlin-ts1', 'staged')] },
      'the gate is shut; waiting for hosts server (migrate), berlin-ts1 (staged) to install and be healthy', 9_000,
    ],
    [
      'the way back', after(SPEC, confirmed), { hosts: [task('server', 'rolling-back'), task('berlin-ts1', 'rolled-back')] },
      'the gate is shut; waiting for host server (rolling-back) to go back to the old version', 9_000,
    ],
    ['first starts', after(SPEC, updated), {}, 'waiting for the first start on host berlin-ts1 and for the gate to open', 9_000],
    ['the gate after a way back', after(SPEC, broken), {}, 'waiting for the gate to open', 9_000],
    ['its own end', after(SPEC, passed, CANCEL), {}, 'its end was asked for: waiting for the gate to be opened on the old version', 9_000],
    ['a backup', after(sampleSpec({ type: 'data-backup', toVersion: '' }), passed), {}, 'waiting for the data backup and its proof on host server', 100],
    ['the backup of a single seat', after(sampleSpec({ kind: 'single-user' }), staged), {}, 'waiting for the data backup and its proof on host server', 100],
    ['a single seat', after(sampleSpec({ kind: 'single-user' }), backup), {}, 'waiting for the install to begin', 100],
  ])('%s', (_, state, seen, text, dueAt) => {
    expect(said(state, seen, seen.inside === 1 ? 5_001 : 100)).toMatchObject({ text, dueAt });
  }); // prettier-ignore

  it('says nothing before it is opened and after its end', () => {
    expect(said(run.initial)).toBeUndefined();
    const ended = after(sampleSpec({ kind: 'single-user' }), updated);
    expect([ended.phase, said(ended)]).toEqual(['ended', undefined]);
  });

  it('waits for the hosts that were told to run a command, and offers no end', () => {
    const spec = sampleSpec({ type: 'run-command', command: 'reindex', toVersion: '', hosts: SPEC.hosts });
    const absent: Heard = { event: 'PreflightPassed', report: 'p-1', absentHosts: ['berlin-ts1'] };
    expect(said(after(spec, absent))?.actions[0]).toMatch(/^cancel/);
    expect(said(after(spec, absent, { event: 'CommandsStarted', hosts: ['server'] }))).toMatchObject({
      text: 'waiting for host server to run reindex',
      hosts: ['server'],
      actions: ['look at the hosts: lastcall host list -i berlin'],
    });
  });

  it('names five hosts and counts the others', () => {
    const hosts = Array.from({ length: 8 }, (_, i) => ({ host: `ts${i}`, role: 'terminal-server' as const, mayFollowLater: false })); // prettier-ignore
    const waiting = said(after(sampleSpec({ hosts }), passed));
    expect(waiting?.text).toContain('hosts ts0, ts1, ts2, ts3, ts4 and 3 more to');
    expect(waiting?.hosts).toHaveLength(8);
  });

  it('says what can be done: cancel while that is possible, end holds where they are allowed', () => {
    const cancel = 'cancel: lastcall run cancel r-1 -i berlin --reason "…"';
    expect(said(after(SPEC, passed, staged, told))?.actions).toEqual([
      cancel,
      'see who is inside: lastcall session list -i berlin',
      'end a hold: lastcall hold list -i berlin',
    ]);
    expect(said(after(SPEC))?.actions).toEqual([cancel]);
    expect(said(after(SPEC, CANCEL))?.actions).toEqual([]);
    expect(said(after(SPEC, confirmed))?.actions).toEqual(['look at the hosts: lastcall host list -i berlin']);
    expect(said(after(SPEC, updated))?.actions.at(-1)).toBe('look at the gate: lastcall gate show -i berlin');
  });
});
