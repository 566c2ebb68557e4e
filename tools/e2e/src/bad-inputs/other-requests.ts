import { commonV1, installerV1 } from '@lastcall/contracts';
import type { BadRequests, Message } from './bad-requests.js';
import { NO_HASH, NO_ID, NO_ID_IF_SAID, NO_INSTALLATION, NO_PAGE, NO_TEXT, NO_TIME_WITHIN_A_DAY, NO_VERSION, noNameIn } from './bad-values.js'; // prettier-ignore

/* Preflight, installer with its host edge, sessions, operations. */

const ONE = 'installations/one';
const HOUR_MS = 3_600_000;
const inHours = (hours: number): Date => new Date(Date.now() + hours * HOUR_MS);
const NO_GATE = ['', ONE, `${ONE}/gates`, `${ONE}/gate/`, 'installations/ONE/gate', 'gate'];
const FILE = { path: '/mnt/nas/encore.ok', sizeBytes: 1n, sha256: 'a'.repeat(64) };
const NO_REPORT = noNameIn('reports');
const NO_BACKUP = [
  '',
  ONE,
  `${ONE}/backups/`,
  `${ONE}/backups/UP`,
  `${ONE}/backups/../x`,
  `${ONE}/backups/${'a'.repeat(129)}`,
];
const proof = (evidence: object): Message => ({ proof: { evidence } });

const PREFLIGHT: readonly BadRequests[] = [
  {
    method: 'CreateReport',
    good: { parent: ONE },
    bad: { parent: NO_INSTALLATION, version: NO_VERSION, job: NO_ID_IF_SAID },
    also: [['version', { version: '1.0.0', job: 'nightly' }]],
  },
  { method: 'GetReport', good: { name: `${ONE}/reports/p-1` }, bad: { name: NO_REPORT } },
  { method: 'ListReports', good: { parent: ONE }, bad: { parent: NO_INSTALLATION, ...NO_PAGE } },
  { method: 'CreateBackup', good: { parent: ONE }, bad: { parent: NO_INSTALLATION } },
  { method: 'GetBackup', good: { name: `${ONE}/backups/b-1` }, bad: { name: NO_BACKUP } },
  { method: 'ListBackups', good: { parent: ONE }, bad: { parent: NO_INSTALLATION, ...NO_PAGE } },
  { method: 'RestoreBackup', good: { name: `${ONE}/backups/b-1` }, bad: { name: NO_BACKUP } },
  { method: 'VerifyBackup', good: { name: `${ONE}/backups/b-1` }, bad: { name: NO_BACKUP } },
  { method: 'GetRestore', good: { name: `${ONE}/restores/rs-1` }, bad: { name: noNameIn('restores') } },
  {
    method: 'CreateOverride',
    good: {
      parent: ONE,
      override: { job: 'nightly', check: 'memory', host: 'srv', reason: 'why', expireTime: inHours(1) },
    },
    bad: {
      parent: NO_INSTALLATION,
      'override.job': NO_ID,
      'override.check': ['', 'nothing', 'MEMORY', '../memory'],
      'override.host': ['nobody', 'UP', '../srv'],
      'override.reason': NO_TEXT,
      'override.expire_time': [undefined, inHours(-1), inHours(24 * 400)],
    },
  },
  { method: 'ListOverrides', good: { parent: ONE }, bad: { parent: NO_INSTALLATION, ...NO_PAGE } },
  { method: 'RevokeOverride', good: { name: `${ONE}/overrides/o-1` }, bad: { name: noNameIn('overrides') } },
  {
    method: 'ReportBackup',
    good: { parent: ONE, takenAt: inHours(-1), ...proof({ $case: 'file', value: FILE }) },
    bad: {
      parent: NO_INSTALLATION,
      taken_at: [undefined, inHours(1), inHours(-24 * 400)],
      size_bytes: [2n ** 63n],
      'proof.file.path': ['', 'x'.repeat(1_001), 'a\nb', 'a\0b'],
      'proof.file.size_bytes': [0n, 2n ** 63n],
      'proof.file.sha256': NO_HASH,
      proof: [undefined, {}],
    },
    also: [
      ...NO_HASH.map((value) => ['proof.sha256', proof({ $case: 'sha256', value })] as const),
      ['proof.command.command', proof({ $case: 'command', value: { command: '', output: '' } })],
      ['proof.command.output', proof({ $case: 'command', value: { command: 'a', output: 'x'.repeat(1_001) } })],
    ],
  },
  { method: 'GetBackupPolicy', good: { parent: ONE }, bad: { parent: NO_INSTALLATION } },
  {
    method: 'UpdateBackupPolicy',
    good: { parent: ONE, policy: { keep: 3 } },
    bad: { parent: NO_INSTALLATION, 'policy.keep': [0, 1_001, 4_294_967_295] },
  },
];

const NO_KEY = [Buffer.alloc(0), Buffer.alloc(31), Buffer.alloc(33), Buffer.alloc(10_000)];

const INSTALLER: readonly BadRequests[] = [
  {
    method: 'CreateJoinToken',
    good: { parent: ONE, hostId: 'desk', role: commonV1.HostRole.WORKSTATION, validMinutes: 1 },
    bad: { parent: NO_INSTALLATION, host_id: NO_ID, role: [0, 4, -1], valid_minutes: [10_081, 4_294_967_295] },
  },
  { method: 'GetHost', good: { name: `${ONE}/hosts/srv` }, bad: { name: noNameIn('hosts') } },
  { method: 'ListHosts', good: { parent: ONE }, bad: { parent: NO_INSTALLATION, ...NO_PAGE } },
  { method: 'GetPlan', good: { name: `${ONE}/plans/r-1` }, bad: { name: noNameIn('plans') } },
  { method: 'ListPlans', good: { parent: ONE }, bad: { parent: NO_INSTALLATION, ...NO_PAGE } },
  {
    method: 'ReleaseQuarantine',
    good: { name: `${ONE}/hosts/srv`, reason: 'why', data: installerV1.QuarantinedData.KEEP },
    bad: { name: noNameIn('hosts'), reason: ['', 'x'.repeat(1_001), 'two\nlines'], data: [3, -1] },
  },
  {
    method: 'UpdateAgents',
    good: { parent: ONE, hostIds: ['srv'], version: '9.1.0', validMinutes: 1 },
    bad: {
      parent: NO_INSTALLATION,
      host_ids: [[], Array.from({ length: 1_001 }, () => 'srv')],
      'host_ids[0]': NO_ID,
      version: ['', ...NO_VERSION],
      valid_minutes: [1_441],
    },
  },
  {
    method: 'CutOffHost',
    good: { name: `${ONE}/hosts/srv`, reason: 'why' },
    bad: { name: noNameIn('hosts'), reason: ['', 'x'.repeat(1_001), 'two\nlines'] },
  },
  { method: 'RotateKey', good: { publicKey: Buffer.alloc(32, 1) }, bad: { public_key: NO_KEY } },
  {
    method: 'Join',
    good: {
      token: 'x',
      publicKey: Buffer.alloc(32, 1),
      platform: 'linux-x64',
      agentVersion: '9.0.0',
      installedVersion: '',
    },
    bad: {
      token: ['', 'x'.repeat(201), 'a\nb', 'a\0b'],
      public_key: NO_KEY,
      platform: ['x'.repeat(65), 'a\nb', 'a\u202eb'],
      agent_version: ['x'.repeat(101), 'a\nb'],
      installed_version: NO_VERSION,
    },
  },
];

const APPROVALS: readonly BadRequests[] = ['CatalogService', 'PreflightService', 'SessionService'].flatMap(
  (service) => {
    const name = `${ONE}/approvals/a-1`;
    const NO_APPROVAL = noNameIn('approvals');
    return [
      { method: `${service}/ListApprovals`, good: { parent: ONE }, bad: { parent: NO_INSTALLATION, ...NO_PAGE } },
      { method: `${service}/GrantApproval`, good: { name }, bad: { name: NO_APPROVAL } },
      {
        method: `${service}/RefuseApproval`,
        good: { name, reason: 'why' },
        bad: { name: NO_APPROVAL, reason: ['', 'x'.repeat(1_001), 'a\0b'] },
      },
    ];
  },
);

const SESSION: readonly BadRequests[] = [
  {
    method: 'WaitForReopening',
    good: { name: ONE },
    bad: { name: NO_INSTALLATION, language: ['Deutsch!', 'x'.repeat(36)], host: NO_ID_IF_SAID },
  },
  { method: 'GetGate', good: { name: `${ONE}/gate` }, bad: { name: NO_GATE } },
  {
    method: 'CloseGate',
    good: { name: `${ONE}/gate`, reason: 'why' },
    bad: { name: NO_GATE, reason: NO_TEXT, reaction_time: NO_TIME_WITHIN_A_DAY },
  },
  { method: 'OpenGate', good: { name: `${ONE}/gate`, reason: 'why' }, bad: { name: NO_GATE, reason: NO_TEXT } },
  {
    method: 'ListSessions',
    good: { parent: ONE },
    bad: { parent: NO_INSTALLATION, ...NO_PAGE, user: ['x'.repeat(201), 'a\0b'], host: NO_ID_IF_SAID },
  },
  { method: 'CountSessions', good: { parent: ONE }, bad: { parent: NO_INSTALLATION } },
  {
    method: 'SendNotice',
    good: { parent: ONE, text: 'Coffee' },
    bad: { parent: NO_INSTALLATION, text: [...NO_TEXT, '   '] },
  },
  { method: 'ListHolds', good: { parent: ONE }, bad: { parent: NO_INSTALLATION, ...NO_PAGE } },
  {
    method: 'ReleaseHold',
    good: { name: `${ONE}/holds/h-1`, reason: 'why' },
    bad: { name: noNameIn('holds'), reason: NO_TEXT },
  },
  { method: 'ApproveHold', good: { name: `${ONE}/holds/h-1` }, bad: { name: noNameIn('holds') } },
  {
    method: 'ListAttendance',
    good: { parent: ONE, run: 'r-1' },
    bad: { parent: NO_INSTALLATION, ...NO_PAGE, run: NO_ID },
  },
  { method: 'RenewGateLease', good: { name: `${ONE}/gate`, run: 'r-1', fence: 1 }, bad: { name: NO_GATE, run: NO_ID } },
  { method: 'GetFirstStart', good: { name: `${ONE}/gate`, host: 'srv' }, bad: { name: NO_GATE, host: NO_ID } },
  {
    method: 'GetSessionHistory',
    good: { parent: ONE, quarterHours: [{ weekday: 'mon', time: '08:15' }] },
    bad: {
      parent: NO_INSTALLATION,
      quarter_hours: [Array.from({ length: 673 }, () => ({ weekday: 'mon', time: '08:15' }))],
      'quarter_hours[0]': [
        {},
        { weekday: 'Monday', time: '08:15' },
        { weekday: 'mon', time: '08:10' },
        { weekday: 'mon', time: '24:00' },
      ],
    },
  },
];

const OPERATIONS: readonly BadRequests[] = [
  { method: 'ListDeadLetters', good: {}, bad: { ...NO_PAGE, service: ['nothing', 'CATALOG', '../catalog'] } },
  {
    method: 'RedriveDeadLetter',
    good: {},
    bad: { name: ['', 'dl-1', 'deadletters/', 'deadletters/../x', 'deadletters/UP'] },
  },
  {
    method: 'ListAuditRecords',
    good: { query: {} },
    bad: {
      ...NO_PAGE,
      'query.actor': ['x'.repeat(4_001)],
      'query.method': ['x'.repeat(4_001)],
      'query.resource': ['x'.repeat(4_001)],
      'query.installation': NO_ID_IF_SAID,
      'query.service': ['nothing', 'CATALOG', '../catalog'],
      'query.from': [new Date(-1)],
      'query.until': [new Date(-1)],
    },
    also: [['query.until', { query: { from: new Date(2_000), until: new Date(1_000) } }]],
  },
];

export const OTHERS: readonly BadRequests[] = [...PREFLIGHT, ...INSTALLER, ...APPROVALS, ...SESSION, ...OPERATIONS];
