import { commonV1 } from '@lastcall/contracts';
import type { BadRequests, Message } from './bad-requests.js';
import { NO_ID, NO_ID_IF_SAID, NO_INSTALLATION, NO_LOCAL_TIME, NO_PAGE, NO_TEXT, NO_TEXT_IF_SAID, NO_TIME_OF_DAY, NO_TIME_WITHIN_A_DAY, NO_TITLE, NO_VERSION, noNameIn, seconds } from './bad-values.js'; // prettier-ignore

/* Jobs, runs, pauses, firings, notifications. */

const ONE = 'installations/one';
const NO_JOB = noNameIn('jobs');
const NO_RUN = noNameIn('runs');
const NO_TARGET = noNameIn('notification-targets');
const { SOFTWARE_UPDATE, DATA_BACKUP, MAINTENANCE_WINDOW, RUN_COMMAND } = commonV1.JobType;
const time = { condition: { $case: 'time', value: { localTime: '2099-01-04T22:00' } } };
const series = { condition: { $case: 'series', value: { cron: '0 3 * * *' } } };
const idle = {
  condition: {
    $case: 'whenIdle',
    value: { idleMinutes: 20, windowOpens: '2099-01-04T20:00', windowCloses: '2099-01-05T05:00' },
  },
};
const JOB = { title: 'Nightly', type: DATA_BACKUP, start: time };
const NO_RESTORE_POINT = ['../x', 'UP', '-a', 'a'.repeat(129)];
const backup = (job: object): Message => ({ job: { ...JOB, ...job } });

const OF_JOBS: Readonly<Record<string, readonly unknown[]>> = {
  'job.title': NO_TITLE,
  'job.type': [0, 5, -1],
  'job.start': [undefined],
  'job.start.time.local_time': NO_LOCAL_TIME,
  'job.version': NO_VERSION,
  'job.service_host': NO_ID_IF_SAID,
  'job.max_run_time': [seconds(0), seconds(59), seconds(86_401)],
  'job.follow_up_job': NO_ID_IF_SAID,
  'job.remarks': NO_TEXT_IF_SAID,
  'job.message': NO_TEXT_IF_SAID,
  'job.reaction_time': NO_TIME_WITHIN_A_DAY,
  'job.run_if_late_within': NO_TIME_WITHIN_A_DAY,
  'job.backup_mode': [3, -1],
  'job.latest_start': NO_TIME_OF_DAY,
  'job.window_end': NO_TIME_OF_DAY,
  'job.labels': [{ UP: 'a' }, { a: '' }, { a: 'x'.repeat(64) }, Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v']))], // prettier-ignore
  'job.retries': [6, 4_294_967_295],
  'job.retry_pause': [seconds(59), seconds(14_401)],
  'job.backup_keep': [1_001],
};

export const SCHEDULER: readonly BadRequests[] = [
  {
    method: 'CreateJob',
    good: { parent: ONE, jobId: 'fine', job: JOB },
    bad: { parent: NO_INSTALLATION, job_id: NO_ID, job: [undefined], ...OF_JOBS },
    also: [
      ['job.follow_up_job', backup({ followUpJob: 'fine' })],
      ['job.downgrade', backup({ version: '1.0.0', downgrade: {} })],
      ['job.version', backup({ type: SOFTWARE_UPDATE, downgrade: {} })],
      [
        'job.backup_mode',
        backup({
          type: SOFTWARE_UPDATE,
          version: '1.0.0',
          downgrade: {},
          backupMode: commonV1.BackupMode.MADE_ELSEWHERE,
        }),
      ],
      ...NO_RESTORE_POINT.map(
        (dataFrom) =>
          [
            'job.downgrade.data_from',
            backup({ type: SOFTWARE_UPDATE, version: '1.0.0', downgrade: { dataFrom } }),
          ] as const,
      ),
      ['job.excluded_hosts', backup({ excludedHosts: ['srv'] })],
      ['job.excluded_hosts', backup({ type: SOFTWARE_UPDATE, excludedHosts: ['UP'] })],
      ['job.backup_keep', backup({ type: SOFTWARE_UPDATE, backupKeep: 3 })],
      ['job.closed_for', backup({ closedFor: seconds(600) })],
      ['job.closed_for', backup({ type: MAINTENANCE_WINDOW })],
      ['job.closed_for', backup({ type: MAINTENANCE_WINDOW, closedFor: seconds(-1) })],
      ['job.command', backup({ command: 'reindex' })],
      ['job.command', backup({ type: RUN_COMMAND })],
      ['job.command', backup({ type: RUN_COMMAND, command: '../reindex', commandHosts: ['srv'] })],
      ['job.command_hosts', backup({ commandHosts: ['srv'] })],
    ],
  },
  {
    method: 'CreateJob',
    good: { parent: ONE, jobId: 'fine', job: { ...JOB, start: series } },
    bad: {
      'job.start.series.cron': [
        '',
        'daily',
        '* * *',
        '60 3 * * *',
        '0 3 * * * * *',
        '@reboot',
        '0 3 31 2 *',
        '* * * * * *',
        'x'.repeat(500),
      ],
    },
  },
  {
    method: 'CreateJob',
    good: { parent: ONE, jobId: 'fine', job: { ...JOB, start: idle } },
    bad: {
      'job.start.when_idle.idle_minutes': [0, 241, 4_294_967_295],
      'job.start.when_idle.window_opens': NO_LOCAL_TIME,
      'job.start.when_idle.window_closes': [
        ...NO_LOCAL_TIME,
        '2099-01-04T20:00',
        '2099-01-04T20:05',
        '2099-02-09T20:00',
      ],
    },
  },
  { method: 'GetJob', good: { name: `${ONE}/jobs/nightly` }, bad: { name: NO_JOB } },
  { method: 'ListJobs', good: { parent: ONE }, bad: { parent: NO_INSTALLATION, ...NO_PAGE } },
  {
    method: 'UpdateJob',
    good: { job: { name: `${ONE}/jobs/nightly`, ...JOB }, updateMask: ['title'] },
    bad: { 'job.name': NO_JOB, update_mask: [['state'], ['name'], ['*'], ['title', 'nothing']], 'job.title': NO_TITLE },
  },
  ...['DeleteJob', 'EnableJob', 'DisableJob', 'ApproveJob', 'SkipNext', 'DryRunJob'].map((method) => {
    return { method, good: { name: `${ONE}/jobs/nightly` }, bad: { name: NO_JOB } };
  }),
  { method: 'RejectJob', good: { name: `${ONE}/jobs/nightly`, reason: 'no' }, bad: { name: NO_JOB, reason: NO_TEXT } },
  { method: 'StartJob', good: { name: `${ONE}/jobs/nightly` }, bad: { name: NO_JOB, request_id: NO_ID_IF_SAID } },
  {
    method: 'PauseJobs',
    good: { parent: ONE, reason: 'why', untilLocalTime: '2026-12-01T06:00' },
    bad: {
      parent: NO_INSTALLATION,
      reason: NO_TEXT,
      until_local_time: [...NO_LOCAL_TIME, '2020-01-01T00:00', '2999-01-01T00:00'],
    },
  },
  { method: 'ResumeJobs', good: { parent: ONE }, bad: { parent: NO_INSTALLATION } },
  {
    method: 'AdviseJob',
    good: { parent: ONE, job: JOB },
    bad: { parent: NO_INSTALLATION, 'job.title': NO_TITLE, 'job.name': ['x', `${ONE}/jobs/`] },
  },
  { method: 'ListRuns', good: { parent: ONE }, bad: { parent: NO_INSTALLATION, ...NO_PAGE, job: NO_ID_IF_SAID } },
  { method: 'GetRun', good: { name: `${ONE}/runs/r-1` }, bad: { name: NO_RUN } },
  { method: 'WatchRun', good: { name: `${ONE}/runs/r-1` }, bad: { name: NO_RUN } },
  { method: 'CancelRun', good: { name: `${ONE}/runs/r-1`, reason: 'why' }, bad: { name: NO_RUN, reason: NO_TEXT } },
  { method: 'GetRunReport', good: { name: `${ONE}/runs/r-1` }, bad: { name: NO_RUN } },
  { method: 'ListFirings', good: { parent: `${ONE}/jobs/nightly` }, bad: { parent: NO_JOB, ...NO_PAGE } },
  {
    method: 'CreateNotificationTarget',
    good: {
      parent: ONE,
      targetId: 'ops',
      target: { title: 'Ops', channel: { $case: 'webhook', value: { url: 'https://example.org/hook' } } },
    },
    bad: {
      parent: NO_INSTALLATION,
      target_id: NO_ID,
      target: [undefined],
      'target.title': NO_TITLE.filter((title) => title !== ''),
      'target.kinds': [[0], [99], [11]],
      'target.webhook.url': [
        '',
        'example.org',
        'ftp://example.org/',
        'file:///etc/passwd',
        'https://a:b@example.org/',
        'https://example.org/#x',
        `https://example.org/${'x'.repeat(2_000)}`,
      ],
      'target.webhook.secret': ['x', 'whsec_', 'whsec_!!!!', `whsec_${'A'.repeat(200)}`],
    },
    also: [['target.channel', { target: { title: 'Ops' } }]],
  },
  {
    method: 'CreateNotificationTarget',
    good: { parent: ONE, targetId: 'ops', target: { channel: { $case: 'mail', value: { to: ['ada@example.org'] } } } },
    bad: {
      'target.mail.to': [[], Array.from({ length: 21 }, (_, i) => `a${i}@example.org`)],
      'target.mail.to[0]': ['ada', 'ada@', 'Ada <ada@example.org>', 'a@b\r\nBcc: c@d', `${'a'.repeat(65)}@example.org`],
    },
  },
  ...['GetNotificationTarget', 'DeleteNotificationTarget', 'TestNotificationTarget'].map((method) => {
    return { method, good: { name: `${ONE}/notification-targets/pager` }, bad: { name: NO_TARGET } };
  }),
  { method: 'ListNotificationTargets', good: { parent: ONE }, bad: { parent: NO_INSTALLATION, ...NO_PAGE } },
  {
    method: 'ListNotificationDeliveries',
    good: { parent: `${ONE}/notification-targets/pager` },
    bad: { parent: NO_TARGET, ...NO_PAGE },
  },
];
