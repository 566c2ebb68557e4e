import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DAY_MS, isRejected, orThrow, RejectedError, sha256Hex, type Rejected } from '@lastcall/kernel';
import { formatMirrorIndex, keyFromPem, newPrivateKeyPem, sign, type MetadataJson } from '@lastcall/trust';
import { publishedReleases } from './rpc/published-releases.js';
import { offlineHandOver } from './testing/hand-over.js';
import {
  carry,
  fingerprint,
  importInto,
  openSite,
  publishEncore,
  type Carried,
  type MirrorSite,
} from './testing/mirror-site.js';
import { actOn } from './decide.js';
import { productMachine, releaseMachine } from './machines.js';
import { verifyImport } from './verify-import.js';
import { releaseId } from './documents.js';

/*
 * A catalog that becomes the mirror of another one: what it takes, what it refuses, and that nothing is half imported.
 */

let dir: string;
let first: MirrorSite;
let site: MirrorSite;
let carried: Carried;

const folder = (name: string): string => join(dir, name);

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lastcall-mirror-'));
  [first, site] = [await openSite(folder('first')), await openSite(folder('site'))];
  await publishEncore(first, '1.0.0', 'one');
  carried = await carry(first, folder('first'), '1.0.0');
});
afterEach(async () => {
  await first.close();
  await site.close();
  await rm(dir, { recursive: true, force: true });
});

async function reopen(): Promise<void> {
  await site.close();
  site = await openSite(folder('site'));
}

/** What was refused, returned or thrown. */
async function refusal(work: Promise<unknown>): Promise<Rejected> {
  const outcome = await work.catch((error: unknown) => error);
  if (isRejected(outcome)) return outcome;
  if (outcome instanceof RejectedError) return outcome.rejected;
  throw outcome instanceof Error ? outcome : new Error('it was not refused');
}

const offered = async (): Promise<readonly string[]> =>
  (await publishedReleases(site.documents, 'encore')).map(({ version }) => version);
const timestamp = async (of = site): Promise<string | undefined> =>
  (await of.repository.metadata('timestamp.json'))?.toString();
const targetOf = (version: string): Promise<string | undefined> =>
  site.repository.target(`encore/${version}/lastcall.yaml`);

function edit(name: string, change: (metadata: MetadataJson) => MetadataJson): void {
  const before = JSON.parse(carried.metadata.get(name) ?? '') as MetadataJson;
  carried.metadata.set(name, JSON.stringify(change(before)));
}

const nameOf = (role: string): string =>
  [...carried.metadata.keys()].find((name) => new RegExp(`^\\d+\\.${role}\\.json$`).test(name)) ?? '';

describe('a first import', () => {
  it('serves what the first catalog has signed, byte for byte, and offers it in the channel that was asked for', async () => {
    const done = orThrow(await importInto(site, carried, fingerprint(carried), 'preview'));
    expect(done.published).toEqual(['products/encore/releases/1.0.0']);
    expect(done.mirror?.head?.expiresAt).toBeGreaterThan(Date.now() + 6 * DAY_MS);
    for (const [name, text] of carried.metadata) {
      expect([name, (await site.repository.metadata(name))?.toString()]).toEqual([name, text]);
    }
    expect((await site.repository.metadata('root.json'))?.toString()).toBe(carried.metadata.get('1.root.json'));
    expect(await targetOf('1.0.0')).toBe(await first.repository.target('encore/1.0.0/lastcall.yaml'));
    expect((await publishedReleases(site.documents, 'encore'))[0]?.channels).toEqual(['preview']);
    await reopen();
    expect([await timestamp(), await offered()]).toEqual([await timestamp(first), ['1.0.0']]);
  });

  it('pins a root that somebody has named, and that an administrator has named', async () => {
    expect((await refusal(importInto(site, carried))).reason).toBe('ROOT_NEEDED');
    expect((await refusal(importInto(site, carried, 'ab'.repeat(32)))).reason).toBe('ROOT_NOT_FOUND');
    const blob = await site.blobs.keep(formatMirrorIndex(carried));
    const wish = { blob, root: fingerprint(carried), channel: 'stable' };
    expect((await refusal(site.importing.check(wish, false))).reason).toBe('ADMIN_NEEDED');
    expect(await site.mirror.read()).toBeUndefined();
  });

  it('asks for what is lacking and changes nothing meanwhile', async () => {
    const blob = await site.blobs.keep(formatMirrorIndex(carried));
    const wish = { blob, root: fingerprint(carried), channel: 'stable' };
    const asked = orThrow(await orThrow(await site.importing.check(wish, true)).perform());
    expect(asked.missing).toHaveLength(1);
    expect([await site.mirror.read(), await site.stateOf('1.0.0')]).toEqual([undefined, 'absent']);
    // Bytes that are not what they are called never get the name.
    carried.blobs.set(sha256Hex('one'), Buffer.from('two'));
    expect((await refusal(importInto(site, carried, wish.root))).message).toMatch(/is 7692.*have/);
    expect([await site.mirror.read(), await offered()]).toEqual([undefined, []]);
    carried.blobs.set(sha256Hex('one'), Buffer.from('one'));
    orThrow(await importInto(site, carried, wish.root));
    expect(await offered()).toEqual(['1.0.0']);
  });

  it('is refused where the catalog has releases of its own', async () => {
    await publishEncore(site, '0.9.0', 'own');
    const before = await timestamp();
    expect((await refusal(importInto(site, carried, fingerprint(carried)))).reason).toBe('CATALOG_HAS_RELEASES');
    expect([await timestamp(), await offered()]).toEqual([before, ['0.9.0']]);
  });

  it('makes the catalog sign nothing any more', async () => {
    orThrow(await importInto(site, carried, fingerprint(carried)));
    expect((await refusal(site.repository.prepare({ renew: true }))).reason).toBe('CATALOG_IS_MIRROR');
    await expect(publishEncore(site, '2.0.0', 'own')).rejects.toThrow(/keys that are not on it/);
    await site.publishing.keeper.runOnce(new AbortController().signal);
    expect([await timestamp(), await offered()]).toEqual([await timestamp(first), ['1.0.0']]);
  });
});

describe('a next import', () => {
  beforeEach(async () => {
    orThrow(await importInto(site, carried, fingerprint(carried)));
  });

  it('needs no root, brings what is new, and withdraws what is signed no more', async () => {
    await publishEncore(first, '1.1.0', 'two');
    orThrow(await first.publishing.withdraw('encore', '1.0.0', 'broken'));
    const done = orThrow(await importInto(site, await carry(first, folder('first'), '1.1.0')));
    expect(done).toMatchObject({
      published: ['products/encore/releases/1.1.0'],
      withdrawn: ['products/encore/releases/1.0.0'],
    });
    expect([await offered(), await site.stateOf('1.0.0'), site.withdrawn]).toEqual([['1.1.0'], 'withdrawn', ['1.0.0']]);
    expect([await targetOf('1.0.0'), await timestamp()]).toEqual([undefined, await timestamp(first)]);
  });

  it('does nothing when it is the same, and leaves withdrawn what was withdrawn here', async () => {
    expect(orThrow(await importInto(site, carried)).published).toEqual([]);
    orThrow(await site.publishing.withdraw('encore', '1.0.0', 'not here'));
    orThrow(await importInto(site, carried));
    expect(await offered()).toEqual([]);
  });

  it('of a release whose files do not come along does not offer it', async () => {
    await publishEncore(first, '1.1.0', 'two');
    orThrow(await importInto(site, await carry(first, folder('first'))));
    expect([await offered(), await site.stateOf('1.1.0')]).toEqual([['1.0.0'], 'absent']);
  });

  it('follows the roots, and forgets metadata that nobody asks for any more', async () => {
    const people = [keyFromPem(newPrivateKeyPem())];
    await offlineHandOver(first, people);
    const next = await carry(first, folder('first'), '1.0.0');
    expect(next.metadata.has('2.root.json')).toBe(true);
    const done = orThrow(await importInto(site, next));
    expect(done.mirror?.head?.root.version).toBe(2);
    expect((await site.repository.metadata('2.root.json'))?.toString()).toBe(next.metadata.get('2.root.json'));
    await publishOnceMore();
    const names = await readdir(folder('site/tuf/mirror'));
    expect(names.filter((name) => name.endsWith('.snapshot.json')).length).toBeLessThanOrEqual(2);
  });

  async function publishOnceMore(): Promise<void> {
    orThrow(await importInto(site, await carry(first, folder('first'), '1.0.0')));
  }

  it.each<[string, string, () => Promise<void>]>([
    [
      'older than what is here',
      'METADATA_ROLLED_BACK',
      async () => {
        const old = new Map(carried.metadata);
        await publishEncore(first, '1.1.0', 'two');
        orThrow(await importInto(site, await carry(first, folder('first'), '1.1.0')));
        carried = { ...carried, metadata: old };
      },
    ],
    [
      'of another catalog',
      'METADATA_NOT_SIGNED',
      async () => {
        const other = await openSite(folder('other'));
        await publishEncore(other, '1.0.0', 'one');
        await publishEncore(other, '1.1.0', 'evil');
        carried = await carry(other, folder('other'), '1.0.0', '1.1.0');
        await other.close();
      },
    ],
    [
      'with a next root that nobody trusted has signed',
      'METADATA_NOT_SIGNED',
      async () => {
        const { signed } = JSON.parse(carried.metadata.get('1.root.json') ?? '') as MetadataJson;
        const root = sign({ ...signed, version: 2 }, [keyFromPem(newPrivateKeyPem())]);
        carried.metadata.set('2.root.json', root.toString());
      },
    ],
    [
      'a mix of two publications',
      'METADATA_MIXED',
      async () => {
        const before = carried.metadata.get(nameOf('snapshot')) ?? '';
        await publishEncore(first, '1.1.0', 'two');
        carried = await carry(first, folder('first'), '1.1.0');
        carried.metadata.set(nameOf('snapshot'), before);
      },
    ],
    [
      'a part only',
      'METADATA_NOT_FOUND',
      async () => {
        await publishEncore(first, '1.1.0', 'two');
        carried = await carry(first, folder('first'), '1.1.0');
        carried.metadata.delete(nameOf('product-encore'));
      },
    ],
    [
      'without a timestamp',
      'METADATA_NOT_FOUND',
      async () => {
        carried.metadata.delete('timestamp.json');
      },
    ],
    [
      'with a changed expiry',
      'METADATA_NOT_SIGNED',
      async () => {
        edit('timestamp.json', ({ signed, signatures }) => {
          return { signed: { ...signed, version: 1_000, expires: '2999-01-01T00:00:00Z' }, signatures };
        });
      },
    ],
    [
      'with a date that never comes',
      'METADATA_MALFORMED',
      async () => {
        edit('timestamp.json', ({ signed, signatures }) => ({ signed: { ...signed, expires: 'never' }, signatures }));
      },
    ],
    [
      'endless',
      'METADATA_TOO_LONG',
      async () => {
        carried.metadata.set('timestamp.json', ' '.repeat(20_000));
      },
    ],
  ])('that is %s is refused, and nothing changes', async (_, reason, spoil) => {
    await spoil();
    const before = [await timestamp(), await offered(), await site.mirror.read()];
    const said = await refusal(importInto(site, carried));
    expect(said.reason).toBe(reason);
    expect(said.message).toMatch(/Nothing was changed; \w+/);
    expect([await timestamp(), await offered(), await site.mirror.read()]).toEqual(before);
  });

  it('that names another root is refused', async () => {
    expect((await refusal(importInto(site, carried, 'cd'.repeat(32)))).reason).toBe('MIRROR_OF_ANOTHER');
  });
});

describe('a stick that lay too long', () => {
  it('is refused as expired', async () => {
    const frozen = await openSite(folder('frozen'), () => Date.now() - 8 * DAY_MS);
    await publishEncore(frozen, '1.0.0', 'one');
    const old = await carry(frozen, folder('frozen'), '1.0.0');
    await frozen.close();
    expect((await refusal(importInto(site, old, fingerprint(old)))).reason).toBe('METADATA_EXPIRED');
    expect(await site.mirror.read()).toBeUndefined();
  });
});

describe('an import that dies', () => {
  const keeper = (): Promise<unknown> => site.publishing.keeper.runOnce(new AbortController().signal);

  it('before its metadata is visible is finished by the same again, and signed by nobody here meanwhile', async () => {
    // No metadata can be written: there is a file where the folder was.
    await rename(folder('site/tuf/mirror'), folder('aside'));
    await writeFile(folder('site/tuf/mirror'), '');
    await expect(importInto(site, carried, fingerprint(carried))).rejects.toThrow(/mirror/);
    await rm(folder('site/tuf/mirror'));
    await rename(folder('aside'), folder('site/tuf/mirror'));
    await reopen();
    await keeper();
    expect([await timestamp(), await offered(), await site.stateOf('1.0.0')]).toEqual([undefined, [], 'publishing']);
    orThrow(await importInto(site, carried));
    expect([await timestamp(), await offered()]).toEqual([await timestamp(first), ['1.0.0']]);
  });

  it('after that is finished by the keeper', async () => {
    const { documents, mirror, blobs } = site;
    for (const [sha256, bytes] of carried.blobs) expect(await blobs.keep(bytes)).toBe(sha256);
    const root = Buffer.from(carried.metadata.get('1.root.json') ?? '');
    const verified = orThrow(
      await verifyImport(site, { format: 'lastcall-mirror-1', ...carried }, new Map([['root', root]])),
    );
    await mirror.begin(fingerprint(carried));
    const [content] = verified.releases;
    if (!content) throw new Error('there is no release');
    const { carryOut } = actOn(documents.releases, releaseMachine);
    const product = { type: 'create', title: 'E', at: 0 } as const;
    await actOn(documents.products, productMachine).carryOut('encore', () => product);
    await carryOut(releaseId('encore', '1.0.0'), (at) => ({ type: 'draft', content, at }));
    await carryOut(releaseId('encore', '1.0.0'), () => ({ type: 'begin-publication', content, channel: 'stable' }));
    expect(await mirror.commit(null, verified)).toBeUndefined();
    // Somebody else may not commit on what was there before.
    expect(await mirror.commit(null, verified)).toMatchObject({ reason: 'MIRROR_CHANGED' });
    await reopen();
    expect(await offered()).toEqual([]);
    await keeper();
    expect(await offered()).toEqual(['1.0.0']);
  });
});
