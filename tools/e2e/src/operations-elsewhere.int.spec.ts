import { catalogModule } from '@lastcall/catalog';
import { eventsV1, operationsV1 } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { findFreePorts, startEdge, startStack, until, type Edge, type Stack } from '@lastcall/testkit';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandLineOn, type CommandLine } from './world/command-line.js';
import { addSite } from './world/site.js';

/*
 * Audit and dead letters of two processes behind one address, which knows one of them for operations: as a public address of a cluster does.
 */

const HOSTS = ['one', 'two', 'three'];

let most: Stack;
let installer: Stack;
let edge: Edge;
let lastcall: CommandLine;

beforeAll(async () => {
  const [port] = await findFreePorts(1);
  const installerAddress = `127.0.0.1:${port}`;
  const modules = [catalogModule, schedulerModule, preflightModule, sessionModule];
  most = await startStack({ modules, settings: { installerAddress } });
  const settings = { grpcAddress: installerAddress, identityDir: most.identityDir, catalogAddress: most.grpcAddress };
  installer = await startStack({ modules: [installerModule], settings });
  edge = await startEdge({ routes: { 'lastcall.installer.': installerAddress, 'lastcall.': most.grpcAddress } });
  lastcall = commandLineOn({ ...most, token: () => most.token('admin', undefined, 'anna'), grpcAddress: edge.address });
  await addSite(most);
  for (const hostId of HOSTS) {
    await lastcall.json('host', 'join-token', hostId, '--role', 'server', '-i', 'berlin');
    await addSite(most, { id: `beside-${hostId}` });
  }
}, 60_000);
afterAll(async () => {
  await edge.stop();
  await installer.stop();
  await most.stop();
});

it('lists the records of both, in any pages and from both ends, without a gap', async () => {
  const operations = most.client(operationsV1.OperationsServiceService, 'viewer');
  const read = async (pageSize: number, oldestFirst: boolean): Promise<string[]> => {
    const query = operationsV1.AuditQuery.fromPartial({ oldestFirst });
    const names: string[] = [];
    let pageToken = '';
    do {
      const page = await operations.listAuditRecords({ pageSize, pageToken, query, ownProcess: false });
      names.push(...page.auditRecords.map(({ name, method }) => `${name} ${method.split('/').at(-1)}`));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return names;
  };
  const all = await read(1_000, true);
  expect(all.filter((text) => text.startsWith('audit/installer-') && text.endsWith('CreateJoinToken'))).toHaveLength(3);
  expect(all.filter((text) => text.endsWith('CreateInstallation'))).toHaveLength(4);
  expect(new Set(all).size).toBe(all.length);
  for (const pageSize of [1, 2, 5]) {
    expect(await read(pageSize, true)).toEqual(all);
    expect(await read(pageSize, false)).toEqual(all.toReversed());
  }
  const own = operationsV1.ListAuditRecordsRequest.fromPartial({ pageSize: 1_000, ownProcess: true });
  const records = (await operations.listAuditRecords(own)).auditRecords.map(({ name }) => name);
  expect(records.filter((name) => name.startsWith('audit/installer-'))).toEqual([]);
});

it('exports and verifies the chains of both', async () => {
  const file = join(most.dataDir, 'audit.jsonl');
  expect(await lastcall.run('audit', 'export', '--out', file)).toMatchObject({ exitCode: 0 });
  expect(readFileSync(file, 'utf8')).toMatch(/audit\/installer-/);
  const verified = await lastcall.run('audit', 'verify');
  expect([verified.exitCode, verified.out]).toEqual([0, expect.stringMatching(/installer: \d+ records, whole/)]);
});

it('lists dead letters of both, and hands one over where it lies', async () => {
  await installer.publish('BackupTaken', 'berlin', eventsV1.BackupTaken.create());
  const listed = async (...more: string[]) => (await lastcall.run('deadletter', 'list', ...more)).out;
  await until(async () => (await listed()).includes('BackupTaken'), 'the dead letter');
  expect(await listed('--service', 'session')).toBe('no dead letters\n');
  const [, id = ''] = /(dl-\S+) +installer/.exec(await listed('--service', 'installer')) ?? [];
  const refused = await lastcall.run('deadletter', 'redrive', id);
  expect([refused.exitCode, refused.err]).toEqual([3, expect.stringContaining('was not taken in this time either')]);
  expect((await lastcall.run('deadletter', 'redrive', 'dl-none')).exitCode).toBe(4);
  const redrives = await lastcall.json(
    'audit',
    'list',
    '--method',
    'RedriveDeadLetter',
    '--resource',
    `deadletters/${id}`,
  );
  const { auditRecords } = operationsV1.ListAuditRecordsResponse.fromJSON(redrives);
  expect(auditRecords.map(({ name, actor }) => [name.replace(/-\d+$/, ''), actor]).toSorted()).toEqual([
    ['audit/catalog', 'anna'],
    ['audit/installer', 'service:catalog'],
  ]);
  expect((await lastcall.run('deadletter', 'list', '--service', 'sessions')).exitCode).toBe(2);
});

it('shows nothing in part when one is away, and what was asked of another', async () => {
  await installer.stop();
  for (const words of [
    ['audit', 'list'],
    ['deadletter', 'list'],
    ['deadletter', 'redrive', 'dl-none'],
    ['audit', 'verify'],
  ]) {
    const { exitCode, err } = await lastcall.run(...words);
    expect([words, exitCode, err]).toEqual([
      words,
      3,
      expect.stringMatching(/installer cannot be asked at 127\.0\.0\.1:\d+/),
    ]);
  }
  expect(await lastcall.run('audit', 'list', '--service', 'catalog')).toMatchObject({ exitCode: 0, err: '' });
  expect((await lastcall.run('deadletter', 'list', '--service', 'catalog')).exitCode).toBe(0);
});
