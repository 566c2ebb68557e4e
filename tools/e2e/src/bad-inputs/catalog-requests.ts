import { catalogV1, commonV1, identityV1 } from '@lastcall/contracts';
import type { BadRequests } from './bad-requests.js';
import { NO_HASH, NO_ID, NO_ID_IF_SAID, NO_INSTALLATION, NO_PAGE, NO_PAGE_SIZE, NO_TEXT, NO_TIME_WITHIN_A_DAY, NO_TITLE, NO_VERSION, NO_ZONE, noNameIn, seconds } from './bad-values.js'; // prettier-ignore

/* Products, releases, channels, installations, waves, signatures, mirrors, credentials. */

const NO_PRODUCT = [
  '',
  'tiny',
  'products/',
  'products/TINY',
  'products/tiny/',
  'products/../tiny',
  'installations/one',
];
const NO_RELEASE = ['', 'products/tiny', 'products/tiny/releases/', 'products/tiny/releases/1.0', 'products/tiny/releases/../1.0.0', 'releases/1.0.0']; // prettier-ignore
const NO_WAVE = ['', 'big', 'waves/', 'waves/BIG', 'waves/big/', 'waves/../big'];
const NO_HOURS = ['', '7', '24:00', '25:00', '08:60'];
const NO_DATE = ['', '2027-2-1', '2027-02-30', '27-01-01', 'christmas'];
const RELEASE = 'products/tiny/releases/1.0.0';
const MULTI_USER = commonV1.InstallationKind.MULTI_USER;
const BERLIN = { title: 'Berlin', product: 'tiny', kind: MULTI_USER, channel: 'stable', timeZone: 'Europe/Berlin' };
const APPROVAL = 'installations/one/approvals/ap-1';
const SPAN = { weekday: 'mon', opens: '08:00', closes: '18:00' };
const KEY = Buffer.alloc(32, 7);
const KEYS = { publicKeys: [KEY], threshold: 1 };
const STAGES = [{ members: { $case: 'percent', value: 10 } }, { members: { $case: 'percent', value: 100 } }];
const WAVE = { product: 'tiny', version: '1.0.0', channel: 'stable', stages: STAGES };

const POLICY: Readonly<Record<string, readonly unknown[]>> = {
  'installation.second_person.actions': [['nothing'], ['*']],
  'installation.second_person.valid_for': [seconds(-1), seconds(100_000_000)],
  'installation.session_policy.exempt_users': [['a', 'a'], Array.from({ length: 101 }, (_, i) => `u${i}`)],
  'installation.session_policy.language': ['Deutsch!', 'x'.repeat(36)],
  'installation.session_policy.link': ['http://example.org/', 'javascript:alert(1)', 'https://a:b@example.org/'],
  'installation.session_policy.holds.longest': [seconds(1), seconds(86_400)],
  'installation.session_policy.holds.max_count': [1_000],
  'installation.session_policy.reopening_ramp': [seconds(-1), seconds(86_400)],
};

export const CATALOG: readonly BadRequests[] = [
  {
    method: 'CreateProduct',
    good: { productId: 'other', product: { title: 'Other' } },
    bad: { product_id: NO_ID, 'product.title': NO_TITLE },
  },
  { method: 'GetProduct', good: {}, bad: { name: NO_PRODUCT } },
  { method: 'ListProducts', good: {}, bad: NO_PAGE },
  {
    method: 'CreateRelease',
    good: { parent: 'products/tiny' },
    bad: { parent: NO_PRODUCT },
    also: [['tree_blobs', { artifacts: [{}], treeBlobs: ['a'.repeat(64)] }]],
  },
  {
    method: 'PublishRelease',
    good: { name: RELEASE, channel: 'stable' },
    bad: { name: NO_RELEASE, channel: NO_ID_IF_SAID },
  },
  { method: 'WithdrawRelease', good: { name: RELEASE, reason: 'bad' }, bad: { name: NO_RELEASE, reason: NO_TEXT } },
  { method: 'GetRelease', good: {}, bad: { name: NO_RELEASE } },
  {
    method: 'ListReleases',
    good: { parent: 'products/tiny' },
    bad: { parent: NO_PRODUCT, ...NO_PAGE, states: [[99], [catalogV1.ReleaseState.PUBLISHED, 99]] },
  },
  {
    method: 'DiffReleases',
    good: { parent: 'products/tiny', fromVersion: '1.0.0', toVersion: '1.1.0' },
    bad: { parent: NO_PRODUCT, from_version: ['', ...NO_VERSION], to_version: ['', ...NO_VERSION] },
  },
  { method: 'ListChannels', good: {}, bad: { parent: NO_PRODUCT } },
  {
    method: 'UpdateChannel',
    good: { channel: { name: 'products/tiny/channels/stable', version: '' } },
    bad: {
      channel: [undefined],
      'channel.name': ['', 'products/tiny', 'products/tiny/channels/UP'],
      'channel.version': NO_VERSION,
    },
  },
  {
    method: 'CreateInstallation',
    good: { installationId: 'berlin', installation: { ...BERLIN, businessHours: [SPAN] } },
    bad: {
      installation: [undefined],
      installation_id: NO_ID.filter((id) => id !== ''),
      'installation.title': NO_TITLE,
      'installation.product': NO_ID,
      'installation.kind': [0, 3, -1],
      'installation.channel': NO_ID_IF_SAID,
      'installation.time_zone': NO_ZONE,
      'installation.business_hours[0].weekday': ['', 'Monday', 'MON'],
      'installation.business_hours[0].opens': NO_HOURS,
      'installation.business_hours[0].closes': ['', '18', '24:01', '08:00', '07:00'],
      'installation.business_hours': [Array.from({ length: 101 }, () => SPAN)],
      'installation.holidays[0]': NO_DATE,
      'installation.holidays': [Array.from({ length: 1_001 }, () => '2027-01-01')],
      'installation.worked_holidays[0]': NO_DATE,
      'installation.holidays_of': ['DE-XX', 'Germany', 'XX', '😀'.repeat(41)],
      'installation.reaction_time': NO_TIME_WITHIN_A_DAY,
      'installation.group': NO_ID_IF_SAID,
      'installation.second_person.actions': [['everything'], ['gate', ''], ['GATE'], ['policy']],
      'installation.second_person.valid_for': [seconds(-1), seconds(59), seconds(86_401), seconds(2n ** 62n)],
      ...POLICY,
    },
    also: [
      [
        'installation.approval_required',
        { installation: { ...BERLIN, kind: commonV1.InstallationKind.SINGLE_USER, approvalRequired: true } },
      ],
      [
        'installation.second_person',
        {
          installation: { ...BERLIN, kind: commonV1.InstallationKind.SINGLE_USER, secondPerson: { actions: ['gate'] } },
        },
      ],
      // So long a refusal is cut, here within a character.
      [
        'installation.time_zone',
        { installation: { ...BERLIN, title: 'x'.repeat(300), timeZone: '😀'.repeat(300), group: '😀'.repeat(300) } },
      ],
    ],
  },
  { method: 'GetInstallation', good: { name: 'installations/one' }, bad: { name: NO_INSTALLATION } },
  { method: 'ListInstallations', good: {}, bad: { ...NO_PAGE, product: NO_ID_IF_SAID } },
  {
    method: 'UpdateInstallation',
    good: { installation: { name: 'installations/one', title: 'One' }, updateMask: ['title'] },
    bad: {
      'installation.name': NO_INSTALLATION,
      update_mask: [['name'], ['hosts'], ['installation.title'], ['*'], ['title', 'etag']],
      'installation.title': NO_TITLE,
    },
    also: [
      ['installation.product', { installation: { name: 'installations/one', title: 'One', product: 'other' } }],
      [
        'installation.kind',
        { installation: { name: 'installations/one', title: 'One', kind: commonV1.InstallationKind.SINGLE_USER } },
      ],
    ],
  },
  { method: 'DeleteInstallation', good: { name: 'installations/one' }, bad: { name: NO_INSTALLATION } },
  // The same in each service that has such actions.
  { method: 'ListApprovals', good: { parent: 'installations/one' }, bad: { parent: NO_INSTALLATION, ...NO_PAGE } },
  { method: 'GrantApproval', good: { name: APPROVAL }, bad: { name: noNameIn('approvals') } },
  {
    method: 'RefuseApproval',
    good: { name: APPROVAL, reason: 'why' },
    bad: { name: noNameIn('approvals'), reason: NO_TEXT },
  },
  {
    method: 'CheckUpdate',
    good: { name: 'installations/one' },
    bad: { name: NO_INSTALLATION, version: NO_VERSION, 'downgrade.data_from': ['../x', 'UP', 'a'.repeat(129)] },
  },
  {
    method: 'PrepareSigning',
    good: { keys: { root: KEYS, targets: KEYS, releases: KEYS } },
    bad: {
      'keys.root.public_keys': [
        [],
        [Buffer.alloc(31)],
        [KEY, KEY],
        Array.from({ length: 33 }, (_, i) => Buffer.alloc(32, i)),
      ],
      'keys.targets.threshold': [0, 2, 4_000_000_000],
      'keys.releases': [undefined],
      release: [RELEASE],
    },
    also: [
      ['release', { keys: undefined, release: 'products/tiny' }],
      ['channel', { keys: undefined, release: RELEASE, channel: 'UP' }],
    ],
  },
  { method: 'SubmitSigning', good: {}, bad: { blob: NO_HASH } },
  {
    method: 'ImportMirror',
    good: { blob: 'a'.repeat(64) },
    bad: { blob: NO_HASH, root: NO_HASH.filter((hash) => hash !== ''), channel: NO_ID_IF_SAID },
  },
  {
    method: 'CreateWave',
    good: { waveId: 'big', wave: WAVE },
    bad: {
      wave: [undefined],
      wave_id: NO_ID,
      'wave.product': NO_ID,
      'wave.version': ['', ...NO_VERSION],
      'wave.channel': NO_ID,
      'wave.stages[0]': [{}],
      'wave.stop_at_percent': [101],
      'wave.needed_percent': [101],
      'wave.soak_time': [seconds(-1), seconds(10_000_000)],
    },
    also: [['wave.stop_at_percent', { wave: { ...WAVE, stopAtCount: 1, stopAtPercent: 5 } }]],
  },
  { method: 'GetWave', good: {}, bad: { name: NO_WAVE } },
  { method: 'ListWaves', good: {}, bad: { ...NO_PAGE, product: NO_ID_IF_SAID } },
  { method: 'ListWaveInstallations', good: { parent: 'waves/big' }, bad: { parent: NO_WAVE, page_size: NO_PAGE_SIZE } },
  ...['StopWave', 'ResumeWave', 'AbortWave'].map((method) => {
    return { method, good: { name: 'waves/big', reason: 'why' }, bad: { name: NO_WAVE, reason: NO_TEXT } };
  }),
  {
    method: 'AdmitInstallation',
    good: { name: 'waves/big', installation: 'one', reason: 'why' },
    bad: { name: NO_WAVE, installation: NO_ID, reason: NO_TEXT },
  },
  {
    method: 'CreateToken',
    good: { subject: 'ada', role: identityV1.Role.VIEWER, installation: 'one', validDays: 1 },
    bad: {
      subject: [...NO_TITLE, 'oidc:', 'oidc:ada'],
      role: [0, identityV1.Role.AGENT, 7, -1],
      installation: NO_ID_IF_SAID,
      valid_days: [3_651, 4_294_967_295],
    },
    also: [['installation', { role: identityV1.Role.CLIENT, installation: '' }]],
  },
  {
    method: 'SignIn',
    good: { idToken: 'a.b.c' },
    bad: {
      id_token: ['', 'x'.repeat(32_769), 'a\n.b.c'],
      nonce: ['x'.repeat(201), 'a\0b'],
      installation: NO_ID_IF_SAID,
    },
  },
  { method: 'ListTokens', good: {}, bad: NO_PAGE },
  { method: 'RevokeToken', good: {}, bad: { name: ['', 'tok-x', 'tokens/', 'tokens/../x', 'tokens/UP'] } },
];
