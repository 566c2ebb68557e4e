import { catalogV1, commonV1, installerV1, operationsV1, preflightV1, sessionV1 } from '@lastcall/contracts';
import { isWrong } from './finding.js';
import { judgeInstallation, type Seen } from './judge-installation.js';
import { judgeServices } from './judge-services.js';
import { judgeMirror, judgeTrust } from './judge-trust.js';

const NOW = Date.UTC(2026, 10, 1, 12);
const [SECOND, HOUR, DAY] = [1_000, 3_600_000, 86_400_000];
const ago = (ms: number): Date => new Date(NOW - ms);

/** `about: found` of what is wrong. */
const said = (findings: ReturnType<typeof judgeServices>): string[] =>
  findings.filter(isWrong).map(({ about, found }) => `${about}: ${found}`);

describe('services', () => {
  const judge = (...states: Parameters<typeof operationsV1.ServiceState.fromPartial>[0][]): string[] =>
    said(
      judgeServices({
        at: NOW,
        tookMs: 10,
        states: states.map((state) =>
          operationsV1.ServiceState.fromPartial({
            service: 'session',
            version: '1.0.0',
            clockTime: ago(0),
            askedTime: ago(0),
            storeTime: ago(0),
            busConnected: true,
            ...state,
          }),
        ),
      }),
    );

  it.each([
    [{}, []],
    [{ outboxEvents: 3, outboxTime: ago(30 * SECOND) }, []],
    [{ outboxEvents: 3, outboxTime: ago(2 * HOUR) }, ['session: 3 events wait in the outbox, the oldest for 2 h']],
    [{ deadLetters: 1n }, ['session: 1 dead letter']],
    [{ busConnected: false }, ['session: the bus cannot be published to']],
    [{ storeProblem: 'no primary' }, ['session: its store does not answer: no primary']],
    [{ storeTime: ago(4 * SECOND) }, []],
    [{ storeTime: ago(9 * SECOND) }, ['session: its clock is 9 s ahead of its store']],
    [{ clockTime: ago(HOUR), storeTime: ago(HOUR) }, ['session: its clock is 1 h behind the service that asked it']],
    [{ certificateExpireTime: ago(-15 * DAY) }, []],
    [{ certificateExpireTime: ago(-6 * DAY) }, ['session: its certificate ends in 144 h']],
    [{ certificateExpireTime: ago(HOUR) }, ['session: its certificate ended 1 h ago']],
    [
      { certificateProblem: 'LASTCALL_TLS_KEY_FILE is k, which cannot be read' },
      ['session: its changed certificates are not used: LASTCALL_TLS_KEY_FILE is k, which cannot be read'],
    ],
    [{ stateBackupTime: ago(3 * HOUR) }, []],
    [
      { stateBackupTime: ago(3 * HOUR), stateBackupProblem: '/mnt/b is not there' },
      ['own state: no backup can be taken of it: /mnt/b is not there; the newest is of 3 h ago'],
    ],
    [{ problem: 'refused', address: 'x:1' }, ['session: cannot be asked at x:1: refused']],
  ])('of %j says %j', (state, findings) => expect(judge(state)).toEqual(findings));

  it('compares versions, and the clock of this machine', () => {
    expect(judge({}, { version: '1.1.0' })).toEqual(['versions: the services have several: 1.0.0, 1.1.0']);
    const skewed = { clockTime: ago(HOUR), askedTime: ago(HOUR), storeTime: ago(HOUR) };
    expect(judge(skewed)).toEqual(['this machine: its clock is 1 h ahead of the services']);
  });
});

describe('signed metadata', () => {
  const judge = (role: string, leftMs: number, waiting = '', offline = false): string[] =>
    said(
      judgeTrust(
        catalogV1.SigningState.fromPartial({ offline, roles: [{ role, waiting, expireTime: ago(-leftMs) }] }),
        NOW,
      ),
    );

  it('is near its end earlier where people renew it', () => {
    expect(judge('timestamp', 3 * DAY)).toEqual([]);
    expect(judge('timestamp', DAY)).toEqual(['signatures of timestamp: end in 24 h; after that hosts install nothing']);
    expect(judge('root', 13 * DAY)).toEqual(['signatures of root: end in 312 h; after that hosts install nothing']);
    expect(judge('root', -DAY)).toEqual(['signatures of root: ended 24 h ago; hosts install nothing']);
    expect(judge('targets', 90 * DAY, 'two signatures are missing', true)).toEqual([
      'signatures of targets: wait: two signatures are missing',
    ]);
  });

  it('of a mirror ends too', () => {
    const mirror = (leftMs: number) => catalogV1.Mirror.fromPartial({ expireTime: ago(-leftMs) });
    expect(said(judgeMirror(mirror(3 * DAY), NOW))).toEqual([]);
    expect(said(judgeMirror(mirror(HOUR), NOW))).toEqual(['mirror: ends in 1 h']);
  });
});

describe('an installation', () => {
  const { HostRole } = commonV1;
  const server = { name: 'installations/berlin/hosts/srv', role: HostRole.SERVER, connected: true };
  const backup = { verified: true, takenAt: ago(DAY) };
  const judge = (seen: {
    gate?: Parameters<typeof sessionV1.Gate.fromPartial>[0];
    hosts?: Parameters<typeof installerV1.Host.fromPartial>[0][];
    plan?: Parameters<typeof installerV1.Plan.fromPartial>[0];
    report?: Parameters<typeof preflightV1.Report.fromPartial>[0];
    backups?: Parameters<typeof preflightV1.Backup.fromPartial>[0][];
  }): string[] => {
    const all: Seen = {
      installation: catalogV1.Installation.fromPartial({ name: 'installations/berlin', timeZone: 'UTC' }),
      gate: sessionV1.Gate.fromPartial({ state: sessionV1.GateState.OPEN, ...seen.gate }),
      hosts: (seen.hosts ?? [server]).map((host) => installerV1.Host.fromPartial(host)),
      plan: seen.plan && installerV1.Plan.fromPartial(seen.plan),
      report: seen.report && preflightV1.Report.fromPartial(seen.report),
      backups: (seen.backups ?? [backup]).map((one) => preflightV1.Backup.fromPartial(one)),
    };
    return said(judgeInstallation(all, NOW));
  };
  const shut = { state: sessionV1.GateState.CLOSED };
  const workstation = { name: 'installations/berlin/hosts/desk', role: HostRole.WORKSTATION, agentVersion: '1.0.0' };

  it.each([
    [{}, []],
    [{ gate: { ...shut, closedAt: ago(HOUR) } }, []],
    [{ gate: { ...shut, closedAt: ago(3 * HOUR), reason: 'We move.' } }, ['berlin gate: closed for 3 h: We move.']],
    [{ gate: { ...shut, alarm: true, reason: 'srv failed' } }, ['berlin gate: in alarm: srv failed']],
    [{ gate: { shutHosts: { ts1: 'no first start' } } }, ['berlin ts1: stays shut for its users: no first start']],
    [{ hosts: [server, { ...workstation, lastSeenTime: ago(3 * DAY) }] }, []],
    [
      { hosts: [server, { ...workstation, lastSeenTime: ago(30 * DAY) }] },
      ['berlin desk: its agent (1.0.0) is not connected since 2026-10-02 12:00:00 (UTC)'],
    ],
    [
      { hosts: [{ ...server, connected: false }] },
      ['berlin srv: its agent (unknown) is not connected and was never seen'],
    ],
    [
      { hosts: [{ ...server, agentUpdate: { version: '2.0.0', failure: { message: 'no room' } } }] },
      ['berlin srv: its agent could not be updated to 2.0.0: no room'],
    ],
    [
      { plan: { name: 'installations/berlin/plans/r-1', tasks: [{ host: 'srv', state: 'quarantined' }] } },
      ['berlin srv: is quarantined since run r-1: '],
    ],
    [
      {
        report: {
          checks: [{ check: 'clock', host: 'srv', found: '400 s ahead', verdict: preflightV1.Verdict.FAILED }],
        },
      },
      ['berlin srv: its clock was 400 s ahead at when it was asked last'],
    ],
    [{ backups: [] }, ['berlin backup: there is no proven backup']],
    [{ backups: [], hosts: [] }, []],
    [
      {
        backups: [
          { ...backup, verified: false },
          { ...backup, takenAt: ago(3 * DAY) },
        ],
      },
      ['berlin backup: the last proven backup is 72 h old'],
    ],
  ])('of %j says %j', (seen, findings) => expect(judge(seen)).toEqual(findings));
});
