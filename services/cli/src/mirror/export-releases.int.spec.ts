import { createTempFolder, type TempFolder } from '@lastcall/testkit';
import { readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { exportReleases } from './export-releases.js';

/*
 * A catalog that names files as no catalog of ours does.
 */

const SHA = 'a'.repeat(64);
const OFFERED = new Map([['encore', new Set(['11.0.0'])]]);
const noBar = () => ({ add: () => undefined, done: () => undefined });

let home: TempFolder;
let server: Server | undefined;
beforeEach(async () => (home = await createTempFolder('export')));
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  await home.remove();
});

/** The targets role of a catalog, by what its signed part says; everything else is as it should be. */
async function exportFrom(targets: object): Promise<unknown> {
  const meta = { 'targets.json': { version: 1 }, '../../../../out.json': { version: 1 } };
  const signed: Record<string, object> = {
    '/tuf/timestamp.json': { expires: '2030-01-01T00:00:00Z', meta: { 'snapshot.json': { version: 1 } } },
    '/tuf/1.snapshot.json': { meta },
    '/tuf/1.targets.json': targets,
  };
  const listening = createServer(({ url = '' }, response) => {
    if (/[^1]\.root\.json$/.test(url)) response.statusCode = 404;
    response.end(JSON.stringify({ signed: signed[url] ?? {} }));
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const catalogUrl = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  const connection = { address: '', credential: () => 'secret', catalogUrl };
  return exportReleases(connection, join(home.path, 'web'), OFFERED, noBar);
}

const left = (): string[] => readdirSync(home.path, { recursive: true }).map(String).toSorted();

it.each([
  ['a target', { targets: { 'encore/11.0.0/../../../../../out/x.yaml': { length: 1, hashes: { sha256: SHA } } } }],
  ['a hash', { targets: { 'encore/11.0.0/x.yaml': { length: 1, hashes: { sha256: '../../../../../out' } } } }],
  ['a role', { delegations: { roles: [{ name: '../../../../out' }] } }],
])('%s that leads out of the folder is refused, and nothing is written there', async (_, targets) => {
  await expect(exportFrom(targets)).rejects.toMatchObject({
    message: expect.stringContaining('leads out of the folder'),
  });
  expect(left().filter((path) => path !== 'web' && !path.startsWith('web/'))).toEqual([]);
});

it('a catalog without a release leaves its metadata, the timestamp last', async () => {
  expect(await exportFrom({ targets: {} })).toMatchObject({
    releases: 0,
    files: 0,
    validUntil: '2030-01-01T00:00:00Z',
  });
  expect(left()).toEqual(expect.arrayContaining(['web/tuf/1.targets.json', 'web/tuf/timestamp.json']));
});
