import { catalogModule } from '@lastcall/catalog';
import { catalogV1, identityV1, operationsV1, PERMISSIONS, type MethodDefinition } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { signAgentToken, startStack, type Stack } from '@lastcall/testkit';
import type { KeyObject } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { METHODS, nameOf, requestAbout } from './edge-walk/methods.js';
import { realVerdict } from './edge-walk/real-verdict.js';
import { addInstallations } from './edge-walk/two-installations.js';
import { commandLineOn, type CommandLine } from './world/command-line.js';

/* Who changed what: that every change leaves its record, and what the records are good for. */

const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];

/** Who only looks may not call them, and yet they change nothing that wants a record. */
const NO_RECORD: readonly string[] = [
  // A sign of life every few seconds.
  'RenewGateLease',
  // They show what only operators and administrators, or the host itself, may see.
  'GetNotificationTarget',
  'ListNotificationTargets',
  'GetCatchUp',
  'ListTokens',
  'ListServiceStates',
];

describe('the audit trail', () => {
  let stack: Stack;
  let lastcall: CommandLine;
  let hostKey: KeyObject;
  beforeAll(async () => {
    stack = await startStack({ modules: MODULES });
    lastcall = commandLineOn(stack);
    hostKey = (await addInstallations(stack)).one;
  });
  afterAll(() => stack.stop());

  async function recorded(): Promise<ReadonlySet<string>> {
    const { out } = await lastcall.run('audit', 'export');
    const lines = out.trim().split('\n');
    return new Set(lines.map((line) => (JSON.parse(line) as { method: string }).method));
  }

  const isWrite = (method: MethodDefinition): boolean => {
    const permission = PERMISSIONS.get(method.path);
    const isOpen = permission?.scope === 'public' || permission?.roles.includes('viewer') || method.requestStream;
    return !isOpen && !NO_RECORD.includes(nameOf(method));
  };

  it('has a record of every method that may change something, and of no other', async () => {
    const admin = stack.channel('admin');
    const host = stack.channelWith(signAgentToken(hostKey, 'one', 'srv'));
    for (const method of METHODS) {
      const isHosts = PERMISSIONS.get(method.path)?.roles[0] === 'agent';
      const verdict = await realVerdict(isHosts ? host : admin, method, requestAbout(method, 'one'));
      // What nobody but a client may do is denied here.
      if (isWrite(method)) expect([method.path, verdict]).toEqual([method.path, 'let in']);
    }
    const writes = METHODS.filter(isWrite).map((method) => method.path);
    // The first shows a secret, the second lets a host in by its one-time token, the third ends a credential of whoever has it.
    const special = ['GetFirstStart', 'Join', 'SignOut'];
    const more = METHODS.filter((method) => special.includes(nameOf(method))).map((method) => method.path);
    expect([...(await recorded())].toSorted()).toEqual([...new Set([...writes, ...more])].toSorted());
  });

  it('says of a change what was before and what came', async () => {
    const catalog = stack.client(catalogV1.CatalogServiceService);
    const installation = catalogV1.Installation.fromPartial({ name: 'installations/two', title: 'The second one' });
    const request = { installation, updateMask: ['title'], confirmCautions: [] };
    await catalog.updateInstallation(catalogV1.UpdateInstallationRequest.fromPartial(request));
    const shown = (await lastcall.json('audit', 'list', '-i', 'two', '--method', 'UpdateInstallation')) as {
      auditRecords: { changes: string }[];
    };
    const [{ changes = '' } = {}] = shown.auditRecords;
    expect(JSON.parse(changes)).toEqual({ title: { before: 'two', after: 'The second one' } });
    expect((await lastcall.run('audit', 'list', '-i', 'two')).out).toContain('title: "two" -> "The second one"');
  });

  it('says with what something was begun, and in which state another call found it', async () => {
    for (const words of [
      'create weekly --type data-backup --title Weekly --in 10h',
      'enable weekly',
      'disable weekly',
    ]) {
      const { exitCode, err } = await lastcall.run('job', ...words.split(' '), '--installation', 'two');
      expect([exitCode, err]).toEqual([0, '']);
    }
    const { out } = await lastcall.run('audit', 'list', '--resource', 'installations/two');
    const line = (method: string) => out.split('\n').find((one) => one.includes(` ${method} `));
    expect(line('CreateJob')).toContain('title: "Weekly"');
    expect(line('EnableJob')).toContain('state was "DISABLED"');
    expect(line('DisableJob')).toContain('state was "ENABLED"');
  });

  it('shows the records that are asked for', async () => {
    const tokens = stack.client(identityV1.TokenServiceService);
    for (const n of [1, 2, 3]) await tokens.revokeToken({ name: `tokens/tok-${n}` }).catch(() => undefined);
    const all = await lastcall.run('audit', 'list', '--method', 'RevokeToken', '--resource', 'tokens', '--limit', '3');
    expect(all.out.match(/tokens\/tok-\d/g)).toEqual([3, 2, 1].map((n) => `tokens/tok-${n}`));
    expect(await lastcall.json('audit', 'list', '--resource', 'tokens/tok-2', '--actor', 'admin')).toMatchObject({
      auditRecords: [{ resource: 'tokens/tok-2' }],
    });
    expect((await lastcall.run('audit', 'list', '--until', '2020-01-01T00:00')).out).toBe('no records\n');
    expect((await lastcall.run('audit', 'list', '--actor', 'nobody')).out).toBe('no records\n');
    expect((await lastcall.run('audit', 'list', '--from', 'soon')).exitCode).toBe(2);
  });

  it('is read in pages of any size, from both ends, over all services, without a gap', async () => {
    const operations = stack.client(operationsV1.OperationsServiceService);
    const read = async (pageSize: number, oldestFirst: boolean): Promise<string[]> => {
      const query = operationsV1.AuditQuery.fromPartial({ oldestFirst, installation: 'one' });
      const names: string[] = [];
      let pageToken = '';
      do {
        const page = await operations.listAuditRecords({ pageSize, pageToken, query, ownProcess: true });
        expect(page.auditRecords.length).toBeLessThanOrEqual(pageSize);
        names.push(...page.auditRecords.map((record) => record.name));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      return names;
    };
    const all = await read(1_000, false);
    expect(all.length).toBeGreaterThan(20);
    expect(await read(3, false)).toEqual(all);
    expect(await read(7, true)).toEqual(all.toReversed());
  });

  it('is exported, and verified at the server and from the export', async () => {
    const file = join(stack.dataDir, 'audit.jsonl');
    expect(await lastcall.run('audit', 'export', '--out', file)).toMatchObject({ exitCode: 0 });
    expect(await lastcall.run('audit', 'verify')).toMatchObject({ exitCode: 0, err: '' });
    const whole = await lastcall.run('audit', 'verify', '--file', file);
    expect(whole).toMatchObject({ exitCode: 0, out: expect.stringMatching(/^catalog: \d+ records, whole/) });
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    writeFileSync(file, lines.filter((line) => !line.includes('audit/catalog-000000000003')).join('\n'));
    const lacking = await lastcall.run('audit', 'verify', '--file', file);
    expect(lacking).toMatchObject({ exitCode: 1, out: expect.stringMatching(/removed: catalog-0{11}3 is gone\n/) });
    writeFileSync(file, lines.join('\n').replace('tok-2', 'tok-9'));
    const changed = await lastcall.run('audit', 'verify', '--file', file);
    expect(changed).toMatchObject({ exitCode: 1, out: expect.stringMatching(/changed: catalog-\d+[\s\S]*What to do/) });
    writeFileSync(file, 'nonsense\n');
    expect(await lastcall.run('audit', 'verify', '--file', file)).toMatchObject({ exitCode: 2 });
  });

  it('shows by heads that were kept what was taken from its end', async () => {
    const heads = join(stack.dataDir, 'heads.json');
    expect(await lastcall.run('audit', 'verify', '--heads', heads)).toMatchObject({ exitCode: 0 });
    const kept = JSON.parse(readFileSync(heads, 'utf8')) as { service: string; sequence: number }[];
    const { sequence = 0 } = kept.find(({ service }) => service === 'catalog') ?? {};
    const last = `catalog-${String(sequence).padStart(12, '0')}`;
    const records = await stack.store('catalog').collection<{ sequence: number; order: string }>({
      name: 'audit',
      fields: ({ sequence: n, order }) => ({ sequence: n, order }),
      indexes: [
        { name: 'sequence', fields: ['sequence'] },
        { name: 'newest', fields: ['order'] },
      ],
    });
    await records.remove(last);
    expect(await lastcall.run('audit', 'verify')).toMatchObject({ exitCode: 0 });
    const found = await lastcall.run('audit', 'verify', '--heads', heads);
    expect(found).toMatchObject({ exitCode: 1, out: expect.stringContaining(`removed: ${last} is gone at the end`) });
  });
});
