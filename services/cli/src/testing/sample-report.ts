import { commonV1, preflightV1, schedulerV1, sessionV1 } from '@lastcall/contracts';

/* A report in which everything happened that a report can tell of. */

const { Verdict } = preflightV1;
const { Departure } = sessionV1;
const { SERVER, TERMINAL_SERVER, WORKSTATION } = commonV1.HostRole;
const time = (text: string): Date => new Date(`2026-11-24T${text}Z`);
const minutes = (n: number) => ({ seconds: BigInt(Math.round(n * 60)), nanos: 0 });

export const sampleReport = schedulerV1.RunReport.fromPartial({
  run: {
    name: 'installations/berlin/runs/r-4kq2mz7x5v3b6c1d',
    job: 'update-11-1',
    phase: 'ended',
    outcome: commonV1.RunOutcome.SUCCEEDED,
    finishTime: time('21:38:04'),
    spec: {
      ...{ run: 'r-4kq2mz7x5v3b6c1d', installation: 'berlin', job: 'update-11-1', product: 'encore' },
      ...{ type: commonV1.JobType.SOFTWARE_UPDATE, kind: commonV1.InstallationKind.MULTI_USER },
      ...{ fromVersion: '11.0.0', toVersion: '11.1.0', requestedBy: 'anna', timeZone: 'Europe/Berlin' },
      ...{ nominalTime: time('21:00:00'), startedAt: time('21:00:01'), deadline: time('23:00:01') },
      message: 'Please save your work: Encore 11.1 is being installed tonight.',
      hosts: [
        { host: 'server-1', role: SERVER },
        { host: 'berlin-ts1', role: TERMINAL_SERVER },
        { host: 'berlin-ts2', role: TERMINAL_SERVER },
        { host: 'desk-7', role: WORKSTATION, mayFollowLater: true },
      ],
    },
    timeline: [
      { time: time('21:00:01'), event: 'RunStarted', text: '11.0.0 → 11.1.0' },
      { time: time('21:00:06'), event: 'PreflightPassed', text: 'every check is green; desk-7 follow later' },
      { time: time('21:03:40'), event: 'StagingCompleted', text: 'the release is verified on every host' },
      { time: time('21:03:41'), event: 'GateClosed', text: 'nobody can log in any more' },
      { time: time('21:03:41'), event: 'NoticeSent', text: '4 sessions told' },
      { time: time('21:18:45'), event: 'SessionsDrained', text: 'nobody is inside' },
      { time: time('21:26:10'), event: 'BackupTaken', text: 'restore point rp-2026-11-24' },
      { time: time('21:26:12'), event: 'DrainConfirmed', text: 'still nobody inside' },
      { time: time('21:26:12'), event: 'InstallStarted', text: 'hosts are being changed' },
      { time: time('21:31:50'), event: 'HostUpdated', host: 'server-1', text: '11.0.0 → 11.1.0' },
      { time: time('21:35:02'), event: 'HostUpdated', host: 'berlin-ts1', text: '11.0.0 → 11.1.0' },
      { time: time('21:35:09'), event: 'HostUpdated', host: 'berlin-ts2', text: '10.9.4 → 11.1.0' },
      { time: time('21:35:10'), event: 'InstallationUpdated', text: 'every host is on the new version' },
      { time: time('21:37:40'), event: 'FirstStartProven', host: 'berlin-ts1', text: 'the client was started on 11.1.0' },
      { time: time('21:38:04'), event: 'GateReopened', text: 'berlin-ts2 stays shut: the client did not start' },
    ],
  },
  preflight: {
    name: 'installations/berlin/reports/p-1',
    verdict: Verdict.PASSED,
    checks: [
      { check: 'host-online', host: 'server-1', verdict: Verdict.PASSED, asked: 'connected', found: 'connected, heard 2 s ago', answeredAt: time('21:00:03') },
      { check: 'disk-stage', host: 'server-1', verdict: Verdict.PASSED, asked: 'at least 3.2 GiB free on /srv', found: '48.1 GiB free', answeredAt: time('21:00:04') },
      { check: 'antivirus', host: 'berlin-ts1', verdict: Verdict.PASSED, asked: '/opt/encore excluded', found: 'ClamAV 1.4 excludes /opt/encore', answeredAt: time('21:00:05') },
      { check: 'backup-age', verdict: Verdict.PASSED, asked: 'verified, at most 48 h old', found: 'rp-2026-11-23, 23 h old', answeredAt: time('21:00:05') },
      { check: 'host-online', host: 'desk-7', verdict: Verdict.SKIPPED, asked: 'connected', found: 'switched off; may follow later', answeredAt: time('21:00:05') },
    ],
  },
  drain: { told: 4, acknowledged: 4, read: 3, ready: 1, left: 2, ended: 1, lost: 1, holds: 1 },
  backup: {
    ...{ restorePoint: 'rp-2026-11-24', host: 'server-1', product: 'encore', version: '11.0.0', verified: true, keyId: 'k-7', verifiedAt: time('21:26:11') },
    ...{ takenAt: time('21:26:09'), sizeBytes: 8_400_123_904n },
    sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  },
  versionsBefore: { 'server-1': '11.0.0', 'berlin-ts1': '11.0.0', 'berlin-ts2': '10.9.4', 'desk-7': '11.0.0' },
  versionsAfter: { 'server-1': '11.1.0', 'berlin-ts1': '11.1.0', 'berlin-ts2': '11.1.0', 'desk-7': '11.0.0' },
  gateShut: minutes(34.4),
  absentHosts: ['desk-7'],
  confirmedCautions: ['users-logged-in'],
  phases: [
    { phase: 'preflight', took: minutes(0.1), estimate: minutes(0.1) },
    { phase: 'staging', took: minutes(3.6), estimate: minutes(4.2) },
    { phase: 'draining', took: minutes(15.1), estimate: minutes(15) },
    { phase: 'backing-up', took: minutes(7.4), estimate: minutes(6.1) },
    { phase: 'confirming', took: minutes(0.05), estimate: minutes(0.05) },
    { phase: 'installing', took: minutes(9), estimate: minutes(7.5) },
    { phase: 'reopening', took: minutes(2.9), estimate: minutes(1.2) },
  ],
  took: minutes(38.05),
  estimate: minutes(34),
  estimatedFrom: 6,
  ...{ noticeTime: time('21:03:41'), logoffTime: time('21:18:41') },
  ...{ gateClosedTime: time('21:03:41'), gateReopenedTime: time('21:38:04') },
  shutHosts: { 'berlin-ts2': 'the client did not start' },
}); // prettier-ignore

const told = { sentTime: time('21:03:41'), receivedTime: time('21:03:42') };

export const sampleAttendance = [
  { session: 's-1', user: 'ada', displayName: 'Ada Lovelace', host: 'berlin-ts1', ...told, readTime: time('21:04:10'), readyTime: time('21:09:30'), departure: Departure.READY, endTime: time('21:09:30') },
  { session: 's-2', user: 'grace', displayName: 'Grace Hopper', host: 'berlin-ts2', ...told, readTime: time('21:05:02'), departure: Departure.LEFT, endTime: time('21:12:44') },
  { session: 's-3', user: 'alan', displayName: 'Alan Turing', host: 'berlin-ts1', ...told, readTime: time('21:03:59'), departure: Departure.DEADLINE, endTime: time('21:18:41') },
  { session: 's-4', user: 'kurt', displayName: 'Kurt Gödel', host: 'desk-3', ...told, departure: Departure.LOST, endTime: time('21:07:00') },
].map((a) => sessionV1.Attendance.fromPartial(a)); // prettier-ignore
