import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { catalogV1 } from '@lastcall/contracts';
import { commonV1, formatTree } from '@lastcall/contracts';
import { isRejected, sha256Hex, type Rejected } from '@lastcall/kernel';
import { openBlobs, type BlobStore } from './blobs.js';
import { missingBlobs, readDraft, type Draft } from './releases.js';

const MANIFEST = `product: encore
version: 11.1.0
title: Encore 11.1
notes: faster
updatesFrom: { oldest: 11.0.0, required: [11.0.5] }
artifacts:
  - { role: server, directory: server }
  - { role: workstation, platform: linux-x64, directory: client }
requires: { memory: 512 MiB, ports: [8080] }
commands:
  server:
    start: { run: [node, server.js] }
    migrate: { run: [node, migrate.js] }
    backup: { run: [node, backup.js] }
    verifyBackup: { run: [node, verify.js] }
    restore: { run: [node, restore.js] }
`;
const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const { HostRole } = commonV1;

const file = (path: string, sha256 = A, size = 3): catalogV1.TreeFile => ({
  path,
  mode: 0o644,
  sizeBytes: BigInt(size),
  sha256,
});
const server = { role: HostRole.SERVER, platform: 'any', files: [file('server.js'), file('lib/x.js', B, 5)] };
const client = { role: HostRole.WORKSTATION, platform: 'linux-x64', files: [file('client.js')] };

let dir: string;
let blobs: BlobStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'releases-'));
  blobs = await openBlobs({ dir });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function read(
  request: Partial<Omit<catalogV1.CreateReleaseRequest, 'manifest'>> & { manifest?: string } = {},
): Promise<Draft | Rejected> {
  const { manifest = MANIFEST, artifacts = [server, client], ...rest } = request;
  const full = { parent: '', treeBlobs: [], ...rest, artifacts, manifest: Buffer.from(manifest) };
  return readDraft(blobs, 'encore', full);
}

async function violations(request: Parameters<typeof read>[0]): Promise<string[]> {
  const draft = await read(request);
  return isRejected(draft) ? draft.violations.map((v) => `${v.field}: ${v.description}`) : [];
}

async function draftOf(request: Parameters<typeof read>[0] = {}): Promise<Draft> {
  const draft = await read(request);
  if (isRejected(draft)) throw new Error(draft.message);
  return draft;
}

describe('readDraft', () => {
  it('reads manifest and trees, and keeps what will be signed', async () => {
    const { content, files } = await draftOf();
    expect(content).toMatchObject({
      version: '11.1.0',
      updatesFrom: '11.0.0',
      requiredVersions: ['11.0.5'],
      requirements: { memoryBytes: 512 * 2 ** 20, ports: [8080], changesData: true },
      artifacts: [
        { role: 'server', platform: 'any', fileCount: 2, totalBytes: 8 },
        { role: 'workstation', platform: 'linux-x64', fileCount: 1, totalBytes: 3 },
      ],
      manifestSha256: sha256Hex(MANIFEST),
    });
    expect([...files]).toEqual([
      [B, 5],
      [A, 3],
    ]);
    expect((await blobs.read(content.manifestSha256))?.toString()).toBe(MANIFEST);
    expect(await blobs.sizeOf(content.artifacts[0]?.treeSha256 ?? '')).toBe(content.artifacts[0]?.treeBytes);
  });

  it('is the same for files in another order', async () => {
    const shuffled = [client, { ...server, files: server.files.toReversed() }];
    expect((await draftOf({ artifacts: shuffled })).content).toEqual((await draftOf()).content);
  });

  it('reads trees that were uploaded as blobs', async () => {
    const treeBlobs = await Promise.all(
      [server, client].map(({ files }) => {
        const entries = files.map(({ path, mode, sizeBytes, sha256 }) => ({
          path,
          mode,
          size: Number(sizeBytes),
          sha256,
        }));
        return blobs.keep(Buffer.from(formatTree({ files: entries })));
      }),
    );
    expect((await draftOf({ artifacts: [], treeBlobs })).content).toEqual((await draftOf()).content);
  });

  it.each<[string, Parameters<typeof read>[0], string]>([
    ['no manifest', { manifest: '' }, 'manifest: has 0 bytes'],
    ['a manifest that is too large', { manifest: `#${'x'.repeat(300_000)}` }, 'manifest: has 300001 bytes'],
    ['a mistake in the manifest', { manifest: MANIFEST.replace('title:', 'titel:') }, 'manifest:3: titel'],
    [
      'another product',
      { manifest: MANIFEST.replace('encore', 'other') },
      'parent: names encore, and the manifest other',
    ],
    ['a version that only looks like one', { manifest: MANIFEST.replace('11.1.0', '01.1.0') }, 'names 01.1.0'],
    ['a missing tree', { artifacts: [server] }, 'artifacts: lack the tree for workstation on linux-x64'],
    ['a tree too many', { artifacts: [server, client, { ...client, platform: 'any' }] }, 'artifacts[2]: is not one'],
    ['a tree twice', { artifacts: [server, client, client] }, 'artifacts[2]: is there twice'],
    [
      'a path that leads outside',
      { artifacts: [{ ...server, files: [file('../x')] }, client] },
      'artifacts[0].files[0].path',
    ],
    ['one hash with two sizes', { artifacts: [{ ...server, files: [file('a'), file('b', A, 4)] }, client] }, '4 bytes'],
    ['too few tree blobs', { artifacts: [], treeBlobs: [A] }, 'tree_blobs: has 1 hashes'],
    ['tree blobs that are not there', { artifacts: [], treeBlobs: [A, 'x'] }, 'tree_blobs[0]: is no blob'],
  ])('refuses %s', async (_, request, expected) => {
    const found = await violations(request);
    expect(found).toEqual(expect.arrayContaining([expect.stringContaining(expected)]));
  });

  it('refuses bytes that are no text', async () => {
    const draft = await readDraft(blobs, 'encore', {
      parent: '',
      manifest: Buffer.from([0xff, 0xfe, 0x00]),
      artifacts: [],
      treeBlobs: [],
    });
    expect(draft).toMatchObject({ violations: [{ field: 'manifest', description: 'is no UTF-8 text' }] });
  });
});

describe('missingBlobs', () => {
  it('names what is not here, and refuses a size that is not the blob’s', async () => {
    const here = await blobs.keep(Buffer.from('here'));
    expect(
      await missingBlobs(
        blobs,
        new Map([
          [A, 3],
          [here, 4],
        ]),
      ),
    ).toEqual([A]);
    expect(await missingBlobs(blobs, new Map([[here, 5]]))).toMatchObject({ code: 'invalid' });
  });
});
