import { commonV1, installerV1, schedulerV1, sessionV1 } from '@lastcall/contracts';
import { endLine, entryLine, runTitle } from './run-text.js';
import { runView } from './run-view.js';

const at = (text: string): Date => new Date(`2026-11-24T${text}Z`);
const { SERVER, WORKSTATION } = commonV1.HostRole;
const run = schedulerV1.Run.fromPartial({
  name: 'installations/berlin/runs/r-1',
  job: 'update-11-1',
  phase: 'draining',
  spec: {
    type: commonV1.JobType.SOFTWARE_UPDATE,
    kind: commonV1.InstallationKind.MULTI_USER,
    product: 'encore',
    fromVersion: '11.0.0',
    toVersion: '11.1.0',
    installation: 'berlin',
    hosts: [
      { host: 'server-1', role: SERVER },
      { host: 'ws-1', role: WORKSTATION },
    ],
  },
  timeline: [{ time: at('20:59:00'), event: 'GateClosed', text: 'The gate is shut.' }],
});
const known = {
  run,
  zone: 'Europe/Berlin',
  sessions: 12,
  gate: sessionV1.Gate.fromPartial({ run: 'r-1', notice: { deadline: at('21:00:00') } }),
  hosts: [
    installerV1.Host.fromPartial({ name: 'installations/berlin/hosts/server-1', connected: true, installedVersion: '11.0.0', progress: { step: 'download', done: 512n, total: 1024n } }), // prettier-ignore
  ],
  tasks: [installerV1.HostTask.fromPartial({ host: 'server-1', state: 'staging' })],
};

describe('the view of a run', () => {
  it('shows phase, countdown, hosts with progress, and what happened', () => {
    expect(runView(known, at('20:59:18'), 100)).toEqual([
      'encore 11.0.0 -> 11.1.0 on berlin (run r-1, job update-11-1)',
      'preflight staging >draining< (backing-up) (confirming) (installing) (reopening) (ended)',
      'Logoff in 42 s (22:00:00), 12 users logged in',
      '',
      expect.stringMatching(
        /^ {2}server-1 server +staging +11\.0\.0 +download \[########--------\] 512 B of 1\.0 KiB$/,
      ),
      expect.stringMatching(/^ {2}ws-1 +workstation +waiting/),
      '',
      '  21:59:00 GateClosed - The gate is shut.',
      'Times in Europe/Berlin. Ctrl-C stops watching; the run goes on.',
    ]);
  });

  it('says what the run waits for, until when, and what can be done', () => {
    const waitingFor = {
      text: 'waiting for host ws-1',
      dueTime: at('21:40:00'),
      actions: ['cancel: lastcall run cancel r-1'],
    };
    const waits = { ...known, run: schedulerV1.Run.fromPartial({ ...run, waitingFor }) };
    expect(runView(waits, at('20:59:18'), 100).slice(2, 4)).toEqual([
      'Now: waiting for host ws-1, until 22:40:00',
      '     cancel: lastcall run cancel r-1',
    ]);
  });

  it('fits every line into the terminal', () => {
    for (const line of runView(known, at('20:59:18'), 40)) expect([...line].length).toBeLessThanOrEqual(40);
  });

  it('shows a maintenance window in its own three phases', () => {
    const spec = { ...run.spec, type: commonV1.JobType.MAINTENANCE_WINDOW, toVersion: '', hosts: [] };
    const window = { ...known, hosts: [], run: schedulerV1.Run.fromPartial({ ...run, spec, phase: 'closed' }) };
    expect(runView(window, at('21:05:00'), 120)[1]).toBe('draining >closed< (ended)');
  });

  it('ends with the outcome', () => {
    const failure = { reason: 'HEALTH', message: 'The health check failed.', host: 'server-1' };
    const ended = { ...known, run: schedulerV1.Run.fromPartial({ ...run, phase: 'ended', outcome: commonV1.RunOutcome.ROLLED_BACK, failure }) }; // prettier-ignore
    expect(runView(ended, at('21:05:00'), 120).at(-1)).toBe(
      'rolled-back: The health check failed. (server-1) [HEALTH]',
    );
  });
});

describe('a run in sentences', () => {
  it('says what it is about', () => {
    expect(runTitle(run)).toBe('encore 11.0.0 -> 11.1.0 on berlin (run r-1, job update-11-1)');
    const backup = schedulerV1.Run.fromPartial({ name: 'a/b/runs/r-2', spec: { type: commonV1.JobType.DATA_BACKUP, product: 'encore', installation: 'berlin' } }); // prettier-ignore
    expect(runTitle(backup)).toBe('data-backup of encore on berlin (run r-2)');
  });
  it('says what happened where', () => {
    const entry = schedulerV1.TimelineEntry.fromPartial({ time: at('21:00:00'), event: 'HostUpdated', host: 'ws-1', text: 'Done\nand dusted' }); // prettier-ignore
    expect(entryLine(entry, 'UTC')).toBe('21:00:00 HostUpdated [ws-1] - Done and dusted');
  });
  it('says nothing of the end of a run that goes on, and calls for a person when one is needed', () => {
    expect(endLine(run)).toBeUndefined();
    const quarantined = schedulerV1.Run.fromPartial({ outcome: commonV1.RunOutcome.QUARANTINED, alarm: true });
    expect(endLine(quarantined)).toBe('quarantined - A PERSON IS NEEDED');
  });
});
