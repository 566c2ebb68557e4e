import { hostOrderV1 } from '@lastcall/contracts';
import { DAY_MS } from '@lastcall/kernel';
import { evaluate, isBlocking } from './domain/evaluate.js';
import type { Occasion } from './domain/facts.js';
import { factsFromWire } from './facts-from-wire.js';
import { AT, DEMANDS, OCCASION } from './testing/sample-matter.js';

type Wire = Parameters<typeof hostOrderV1.HostFacts.fromPartial>[0];

const HONEST: Wire = {
  os: 'linux',
  osVersion: '6.1',
  cpuCount: 4,
  memoryBytes: 2n ** 33n,
  stageFreeBytes: 2n ** 33n,
  backupFreeBytes: 2n ** 33n,
  dataBytes: 2n ** 20n,
  agentVersion: '0.1.0',
  installedVersion: '11.0.0',
  clock: new Date(AT),
  antivirus: { product: 'clamav', source: 'clamd.conf', exceptions: [{ kind: 'folder', value: '/d', present: true }] },
  ports: [{ port: 8080, usable: true }],
  canBackUp: true,
  staged: true,
  volumes: { stage: '1', backup: '1', data: '1' },
  dataFreeBytes: 2n ** 33n,
  vendorChecks: [{ id: 'database', passed: true, found: 'PostgreSQL 16' }],
  certificates: [{ whose: 'services', expiresAt: new Date(AT + 90 * DAY_MS) }],
};

const occasion: Occasion = {
  ...OCCASION,
  hosts: OCCASION.hosts.slice(0, 1),
  requirements: {
    ...DEMANDS,
    antivirusFolders: ['/d'],
    vendorChecks: [{ id: 'database', role: 'server', asks: 'a database', remedy: 'Start it.' }],
  },
};

/** Through the bytes, as an agent's answer comes. */
function blockingWith(lie: Wire, more: Partial<Occasion> = {}) {
  const bytes = hostOrderV1.HostFacts.encode(hostOrderV1.HostFacts.fromPartial({ ...HONEST, ...lie })).finish();
  const facts = factsFromWire(hostOrderV1.HostFacts.decode(bytes));
  const server = { kind: 'facts', facts, at: AT } as const;
  const { checks } = evaluate({ ...occasion, ...more }, { server }, { askedAt: AT, at: AT });
  return checks.filter(isBlocking).map((c) => `${c.check}:${c.verdict}`);
}

describe('facts as hosts say them', () => {
  it('are believed when they can be', () => expect(blockingWith({})).toEqual([]));

  const most = 2n ** 64n - 1n;
  it.each<[string, Wire, readonly string[]]>([
    ['2^63 bytes free to stage', { stageFreeBytes: 2n ** 63n }, ['disk-stage:unknown', 'disk-together:unknown']],
    ['-1 byte free to stage, as 64 bits', { stageFreeBytes: most }, ['disk-stage:unknown', 'disk-together:unknown']],
    ['2^63 bytes free for backups', { backupFreeBytes: 2n ** 63n }, ['disk-backup:unknown']],
    ['data of -1 byte', { dataBytes: most }, ['disk-backup:unknown', 'disk-together:unknown']],
    [
      'a certificate of the year 9999',
      { certificates: [{ whose: 'services', expiresAt: new Date('9999-12-31') }] },
      ['certificates:unknown'],
    ],
    ['a certificate without an end', { certificates: [{ whose: 'services' }] }, ['certificates:unknown']],
    [
      "a vendor's check both passed and not",
      {
        vendorChecks: [
          { id: 'database', passed: true },
          { id: 'database', passed: false },
        ],
      },
      ['vendor:unknown'],
    ],
    ["no vendor's check", { vendorChecks: [] }, ['vendor:unknown']],
    ['memory of 2^63 bytes', { memoryBytes: 2n ** 63n }, ['memory:unknown']],
    ['no memory', { memoryBytes: 0n }, ['memory:unknown']],
    ['-1 processors, as 32 bits', { cpuCount: 2 ** 32 - 1 }, ['cpu:unknown']],
    ['no processors', { cpuCount: 0 }, ['cpu:unknown']],
    ['a clock of the year 1', { clock: new Date('0001-01-01T00:00:00Z') }, ['clock:unknown']],
    ['a clock of the year 9999', { clock: new Date('9999-12-31T23:59:59Z') }, ['clock:unknown']],
    ['no clock', { clock: undefined }, ['clock:unknown']],
    ['a version that is none', { agentVersion: 'NaN' }, ['agent-version:failed']],
    ['a system with a name of a megabyte', { os: 'linux'.repeat(200_000) }, ['operating-system:unknown']],
    ['a port that does not exist', { ports: [{ port: 80_80_80, usable: true }] }, ['ports:unknown']],
    [
      'a port both free and taken',
      {
        ports: [
          { port: 8080, usable: false },
          { port: 8080, usable: true },
        ],
      },
      ['ports:failed'],
    ],
    ['antivirus software without a name', { antivirus: { product: '' } }, ['antivirus:unknown']],
    [
      'a size and that it is not known',
      { stageFreeBytes: 5n, unknown: { stage_free_bytes: 'x' } },
      ['disk-stage:unknown', 'disk-together:unknown'],
    ],
  ])('%s are not believed', (_, lie, blocking) => expect(blockingWith(lie)).toEqual(blocking));

  it.each<[string, Wire['lastBackup']]>([
    ['no time', { restorePoint: 'x', verified: true }],
    ['the year 9999', { restorePoint: 'x', verified: true, takenAt: new Date('9999-01-01T00:00:00Z') }],
    ['tomorrow', { restorePoint: 'x', verified: true, takenAt: new Date(AT + 86_400_000) }],
    ['2^63 bytes', { restorePoint: 'x', verified: true, takenAt: new Date(AT), sizeBytes: 2n ** 63n }],
  ])('a backup of %s is none', (_, lastBackup) =>
    expect(blockingWith({ lastBackup }, { backupMode: 'made-elsewhere' })).toEqual(['backup-age:failed']),
  );

  it('says why, and keeps no more of it than a report can show', () => {
    const wire = hostOrderV1.HostFacts.fromPartial({
      ...{ ...HONEST, stageFreeBytes: most, unknown: { ports: 'x'.repeat(100_000) } },
    });
    const { unknown } = factsFromWire(wire);
    expect(unknown['stage_free_bytes']).toBe(`the host says ${most} bytes, which cannot be`);
    expect(unknown['ports']).toHaveLength(1_000);
  });
});
