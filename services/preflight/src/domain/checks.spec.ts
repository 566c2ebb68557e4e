import { HOUR_MS } from '@lastcall/kernel';
import { evaluate } from './checks.js';
import type { BackupFacts, Check, HostAnswer, HostFacts, Occasion, Requirements } from './facts.js';

const AT = Date.UTC(2026, 10, 28, 22);

const FACTS: HostFacts = {
  os: 'linux',
  osVersion: '6.1.0-18-amd64',
  cpuCount: 4,
  memoryBytes: 8 * 2 ** 30,
  stageFreeBytes: 10 * 2 ** 30,
  backupFreeBytes: 10 * 2 ** 30,
  dataBytes: 2 ** 20,
  agentVersion: '0.1.0',
  installedVersion: '11.0.0',
  clockAt: AT,
  antivirus: { product: 'none', source: '', exceptions: [] },
  lastBackup: undefined,
  ports: [{ port: 8080, usable: true }],
  staged: false,
  canBackUp: true,
  unknown: {},
};

const DEMANDS: Requirements = {
  version: '11.1.0',
  os: [{ os: 'linux', version: '4.19' }],
  cpuCount: 2,
  memoryBytes: 2 ** 30,
  stageFreeBytes: 0,
  backupFreeBytes: 0,
  ports: [8080],
  agentVersion: '0.1.0',
  dataVersion: '11.0.0',
  antivirusFolders: [],
  antivirusFiles: [],
  antivirusProcesses: [],
  treeBytes: 2 ** 20,
  changesData: true,
};

const OCCASION: Occasion = {
  installation: 'berlin',
  product: 'encore',
  fromVersion: '11.0.0',
  requirements: DEMANDS,
  hosts: [
    { host: 'server', role: 'server', mayFollowLater: false },
    { host: 'desk', role: 'workstation', mayFollowLater: true },
  ],
  backupMode: 'take',
  backupMaxAgeMs: 48 * HOUR_MS,
  knownBackup: undefined,
};

const answer = (facts: Partial<HostFacts> = {}): HostAnswer => ({
  kind: 'facts',
  facts: { ...FACTS, ...facts },
  at: AT,
});
const silent: HostAnswer = {
  kind: 'failure',
  failure: { reason: 'TIMED_OUT', message: 'no answer within 15 s', host: '', facts: {} },
  at: AT,
};

function ask(occasion: Partial<Occasion>, server: HostAnswer | undefined, desk: HostAnswer | undefined = answer()) {
  const evaluation = evaluate({ ...OCCASION, ...occasion }, { server, desk }, AT);
  return {
    ...evaluation,
    blocking: evaluation.checks.filter((c) => c.verdict === 'failed' || c.verdict === 'unknown'),
  };
}

const named = (checks: readonly Check[]) => checks.map((c) => `${c.host}:${c.check}:${c.verdict}`);

describe('evaluate', () => {
  it('lets a ready installation through, with evidence in every check', () => {
    const { checks, blocking, absentHosts } = ask({}, answer());
    expect(blocking).toEqual([]);
    expect(absentHosts).toEqual([]);
    expect(checks.every((c) => c.asked !== '' && c.found !== '' && c.answeredAt === AT)).toBe(true);
  });

  const demands = (more: Partial<Requirements>) => ({ requirements: { ...DEMANDS, ...more } });
  it.each([
    ['an old system', demands({ os: [{ os: 'linux', version: '6.2' }] }), {}, 'operating-system'],
    ['another system', demands({ os: [{ os: 'win32', version: '' }] }), {}, 'operating-system'],
    ['few processors', demands({ cpuCount: 8 }), {}, 'cpu'],
    ['little memory', demands({ memoryBytes: 2 ** 40 }), {}, 'memory'],
    ['a full disk', {}, { stageFreeBytes: 2 ** 19 }, 'disk-stage'],
    ['no room for the backup', {}, { backupFreeBytes: 2 ** 19 }, 'disk-backup'],
    ['a port in use', {}, { ports: [{ port: 8080, usable: false }] }, 'ports'],
    ['an old agent', demands({ agentVersion: '0.2.0' }), {}, 'agent-version'],
    ['data that is too old', demands({ dataVersion: '11.0.1' }), {}, 'data-version'],
    ['another version', {}, { installedVersion: '10.9.0' }, 'installed-version'],
    ['a wrong clock', {}, { clockAt: AT - HOUR_MS }, 'clock'],
    ['no backup command although data changes', {}, { canBackUp: false }, 'backup'],
  ])('refuses %s and says what to do', (_, occasion, facts, check) => {
    const { blocking } = ask(occasion, answer(facts));
    expect(named(blocking)).toContain(`server:${check}:failed`);
    expect(blocking.every((c) => c.remedy !== '')).toBe(true);
  });

  it.each([
    [{ stageFreeBytes: undefined, unknown: { stage_free_bytes: 'statfs: EACCES' } }, 'disk-stage', 'EACCES'],
    [{ ports: undefined, unknown: { ports: 'no permission' } }, 'ports', 'no permission'],
    [{ ports: [] }, 'ports', 'could not find out'],
    [{ canBackUp: undefined }, 'backup', 'could not find out'],
    [{ clockAt: undefined }, 'clock', 'not said'],
    [{ osVersion: undefined }, 'operating-system', 'could not find out'],
  ] as const)('blocks on what nobody could find out: %j', (facts, check, why) => {
    const found = ask({}, answer(facts)).blocking.find((c) => c.check === check);
    expect(found).toMatchObject({ verdict: 'unknown', found: expect.stringContaining(why) });
  });

  it('blocks when the server is silent, and leaves a silent workstation for later', () => {
    expect(named(ask({}, silent).blocking)).toEqual(['server:host-online:unknown']);
    const { blocking, absentHosts, checks } = ask({}, answer(), silent);
    expect(blocking).toEqual([]);
    expect(absentHosts).toEqual(['desk']);
    expect(named(checks)).toContain('desk:host-online:skipped');
  });

  it('leaves a workstation of another version for later', () => {
    expect(ask({}, answer(), answer({ installedVersion: '10.9.0' })).absentHosts).toEqual(['desk']);
  });

  it('demands exactly one server', () => {
    const none = ask({ hosts: [] }, undefined);
    expect(none.blocking).toMatchObject([{ check: 'hosts', found: 'none' }]);
  });

  it('has no backup to take when neither the release nor the update knows data', () => {
    const { blocking, backup } = ask(
      { requirements: { ...DEMANDS, changesData: false } },
      answer({ canBackUp: false }),
    );
    expect(blocking).toEqual([]);
    expect(backup.needless).toBe(true);
  });

  describe('backup made elsewhere', () => {
    const backup = (hours: number, verified = true): BackupFacts => ({
      restorePoint: 'x',
      takenAt: AT - hours * HOUR_MS,
      sizeBytes: 1,
      sha256: '',
      verified,
      version: '11.0.0',
    });
    it.each([
      [backup(47), undefined, 'passed'],
      [undefined, backup(47), 'passed'],
      [backup(100), backup(2), 'passed'],
      [backup(49), undefined, 'failed'],
      [backup(1, false), undefined, 'failed'],
      [undefined, undefined, 'failed'],
    ])('known %j, on the host %j: %s', (knownBackup, lastBackup, verdict) => {
      const { checks } = ask({ backupMode: 'made-elsewhere', knownBackup }, answer({ lastBackup }));
      expect(checks.find((c) => c.check === 'backup-age')?.verdict).toBe(verdict);
    });
  });

  describe('the data of an older version', () => {
    const backup = (version: string, verified = true): BackupFacts => ({
      ...{ restorePoint: 'rp-1', takenAt: AT, sizeBytes: 1, sha256: '', verified, version },
    });
    const to = (version: string) => ({ ...DEMANDS, version });
    it.each([
      [backup('11.0.0'), '11.0.0', 'passed'],
      [backup('10.9.0'), '11.0.0', 'passed'],
      [backup('11.1.0'), '11.0.0', 'failed'],
      [backup('11.0.0', false), '11.0.0', 'failed'],
      [undefined, '11.0.0', 'failed'],
    ])('from %j for %s: %s', (found, version, verdict) => {
      const dataFrom = { restorePoint: 'rp-1', backup: found };
      const { checks } = ask({ dataFrom, requirements: to(version) }, answer());
      expect(checks.find((c) => c.check === 'restore-point')?.verdict).toBe(verdict);
    });
    it('is asked for nowhere else', () =>
      expect(ask({}, answer()).checks.some((c) => c.check === 'restore-point')).toBe(false));
  });

  describe('antivirus', () => {
    const folders = demands({ antivirusFolders: ['${dataDir}', '${appDir}'] });
    const found = (present: boolean) => ({
      product: 'clamav',
      source: '/etc/clamav/clamd.conf',
      exceptions: [
        { kind: 'folder', value: '/data', present },
        { kind: 'folder', value: '/app', present: true },
      ],
    });
    it.each([
      [found(true), ['passed', 'passed']],
      [found(false), ['failed', 'passed']],
      [{ product: 'none', source: '', exceptions: [] }, ['skipped']],
      [{ product: 'clamav', source: 'x', exceptions: [] }, ['unknown']],
      [undefined, ['unknown']],
    ])('%j', (antivirus, verdicts) => {
      const { checks } = ask(folders, answer({ antivirus }));
      expect(checks.filter((c) => c.check === 'antivirus' && c.host === 'server').map((c) => c.verdict)).toEqual(
        verdicts,
      );
    });
  });

  it('asks of a backup job only what a backup needs', () => {
    const { checks } = ask({ requirements: undefined, hosts: OCCASION.hosts.slice(0, 1) }, answer());
    expect(named(checks)).toEqual([
      ':hosts:passed',
      'server:host-online:passed',
      'server:clock:passed',
      'server:backup:passed',
      'server:disk-backup:passed',
    ]);
  });
});
