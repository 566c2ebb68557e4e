import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DAY_MS, isRejected, orThrow, sha256Hex, WITHDRAWN_FIELD, type ManualClock } from '@lastcall/kernel';
import {
  keyFromPem,
  newPrivateKeyPem,
  parseSigningRequest,
  rootKeysOf,
  signRequest,
  type KeySet,
  type SigningRequest,
  type TufKey,
} from '@lastcall/trust';
import {
  serveRepository,
  signedRelease,
  treePath,
  treeText,
  type ServedRepository,
} from '../testing/served-repository.js';
import type { RepositoryOptions } from './opened.js';
import type { Repository } from './repository.js';
import { parseMetadata } from './roots.js';
import type { SigningWish } from './signing.js';

/* A repository whose keys are handed over, changed and used elsewhere, seen by clients that pinned each of its roots. */

let site: ServedRepository;
let served: Repository;
let clock: ManualClock;

const open = (more?: Partial<RepositoryOptions>): Promise<Repository> => site.open(more);

const wishFor = (product: string, version: string): NonNullable<SigningWish['release']> => {
  return { product, version, channel: 'stable', signed: signedRelease(product, version) };
};

/** A client that pinned the newest root of now. */
async function client(): Promise<(product: string, version: string) => Promise<string | undefined>> {
  const get = await site.client();
  return (product, version) => get(treePath(product, version));
}

const newKeys = (n: number): TufKey[] => Array.from({ length: n }, () => keyFromPem(newPrivateKeyPem()));
const setOf = (keys: readonly TufKey[], threshold = 2): KeySet => ({ keys: keys.map((k) => k.publicKey), threshold });

interface People {
  root: TufKey[];
  targets: TufKey[];
  releases: TufKey[];
}
let people: People;
const keysWish = (newOnlineKeys = false): SigningWish => ({
  keys: {
    root: setOf(people.root),
    targets: setOf(people.targets),
    releases: setOf(people.releases),
    newOnlineKeys,
  },
  renew: false,
});

async function prepare(wish: SigningWish): Promise<SigningRequest> {
  const request = parseSigningRequest(orThrow(await served.prepare(wish)));
  if (typeof request === 'string') throw new Error(request);
  return request;
}

async function submit(request: SigningRequest, release?: SigningWish['release']): Promise<string> {
  const checked = await served.check(request, release);
  if (isRejected(checked)) return `${checked.reason}: ${checked.message}`;
  const refused = await checked.commit();
  return refused ? refused.reason : 'accepted';
}

const all = (): TufKey[] => [...people.root, ...people.targets, ...people.releases];

async function publish(product: string, version: string, keys: readonly TufKey[] = people.releases): Promise<string> {
  const release = wishFor(product, version);
  const request = signRequest(await prepare({ release, renew: false }), keys);
  const checked = await served.check(request, release);
  if (isRejected(checked)) return `${checked.reason}: ${checked.message}`;
  site.add(product, version);
  return (await checked.commit())?.reason ?? 'accepted';
}

async function handOver(): Promise<void> {
  expect(await submit(signRequest(await prepare(keysWish()), all()))).toBe('accepted');
}

/** Everything that clients could see. */
async function seen(): Promise<string> {
  const names = ['root.json', 'timestamp.json'];
  return (await Promise.all(names.map((name) => served.metadata(name)))).map(String).join('\n');
}

beforeEach(async () => {
  people = { root: newKeys(3), targets: newKeys(3), releases: newKeys(3) };
  site = await serveRepository(() => served);
  ({ clock } = site);
  served = await open();
  // What the documents say from the moment at which a publication begins.
  site.add('encore', '1.0.0');
  await served.publish();
});
afterEach(() => site.close());

describe('the hand-over', () => {
  it('is followed by clients that pinned the catalog’s own root, and leaves only snapshot and timestamp here', async () => {
    const old = await client();
    expect(await old('encore', '1.0.0')).toBe(treeText('encore', '1.0.0'));
    await handOver();
    expect(await old('encore', '1.0.0')).toBe(treeText('encore', '1.0.0'));
    expect(await (await client())('encore', '1.0.0')).toBe(treeText('encore', '1.0.0'));
    const left = (await readdir(join(site.dir, 'tuf', 'keys'))).toSorted();
    expect(left).toEqual(['snapshot-1.pem', 'timestamp-1.pem']);
    expect(await publish('encore', '1.1.0')).toBe('accepted');
    expect(await old('encore', '1.1.0')).toBe(treeText('encore', '1.1.0'));
    served = await open();
    await served.publish();
    expect(await old('encore', '1.1.0')).toBe(treeText('encore', '1.1.0'));
    expect(await readdir(join(site.dir, 'tuf', 'keys'))).toHaveLength(2);
  });

  it('waits for as many signatures as the new keys want, one person after the other', async () => {
    const before = await seen();
    let request = await prepare(keysWish());
    expect(await submit(request)).toMatch(/^SIGNATURES_MISSING: .*root \(0 of 2\)/);
    for (const i of [0, 1]) {
      request = signRequest(request, [people.root[i], people.targets[i], people.releases[i]] as TufKey[]);
      if (i === 0) expect(await submit(request)).toMatch(/^SIGNATURES_MISSING: .*\(1 of 2\)/);
      if (i === 0) expect(await seen()).toBe(before);
    }
    expect(await submit(request)).toBe('accepted');
    expect(await submit(request)).toBe('accepted');
    expect((await served.metadata('2.root.json'))?.toString()).toBe((await served.metadata('root.json'))?.toString());
  });

  it('either happened or did not when the process dies in the middle', async () => {
    const old = await client();
    for (const step of ['role-written', 'snapshot-written', 'published'] as const) {
      const request = signRequest(await prepare(keysWish()), all());
      const honest = served;
      served = await open({
        onStep: (reached) => {
          if (reached === step) throw new Error('killed');
        },
      });
      await expect(submit(request)).rejects.toThrow('killed');
      expect(await old('encore', '1.0.0')).toBe(treeText('encore', '1.0.0'));
      served = step === 'published' ? await open() : honest;
      expect(await served.isOffline()).toBe(step === 'published');
    }
    await served.publish();
    expect(await readdir(join(site.dir, 'tuf', 'keys'))).toHaveLength(2);
    expect(await old('encore', '1.0.0')).toBe(treeText('encore', '1.0.0'));
  });
});

describe('a publication with keys that are elsewhere', () => {
  beforeEach(handOver);

  it('is refused without enough of them, and changes nothing', async () => {
    const before = await seen();
    expect(await publish('encore', '1.1.0', people.releases.slice(0, 1))).toMatch(/^SIGNATURES_MISSING/);
    expect(await publish('encore', '1.1.0', newKeys(3))).toMatch(/^SIGNATURES_MISSING: .*\(0 of 2\)/);
    // A new product needs those who say which products there are.
    expect(await publish('other', '1.0.0')).toMatch(/^SIGNATURES_MISSING: .*targets \(0 of 2\)/);
    expect(await seen()).toBe(before);
    expect(await publish('other', '1.0.0', all())).toBe('accepted');
    expect(await (await client())('other', '1.0.0')).toBe(treeText('other', '1.0.0'));
  });

  it('is refused when something else was published since it was prepared', async () => {
    const release = wishFor('encore', '1.1.0');
    const first = signRequest(await prepare({ release, renew: false }), people.releases);
    expect(await publish('encore', '1.2.0')).toBe('accepted');
    const before = await seen();
    expect(await submit(first, release)).toMatch(/^SIGNING_STALE: .*prepare it anew/);
    expect(await seen()).toBe(before);
    expect(await publish('encore', '1.1.0')).toBe('accepted');
  });

  it('is refused when it says anything else than the catalog would', async () => {
    const release = wishFor('encore', '1.1.0');
    const honest = await prepare({ release, renew: false });
    const changed = (change: (text: string) => string): SigningRequest =>
      signRequest(JSON.parse(change(JSON.stringify(honest))) as SigningRequest, all());
    const before = await seen();
    const sha256 = release.signed.targets[0]?.sha256 ?? '';
    const cases: [RegExp, SigningRequest][] = [
      [/^SIGNING_STALE/, changed((text) => text.replaceAll(sha256, sha256Hex('evil')))],
      [/^SIGNING_STALE/, changed((text) => text.replaceAll(/"expires":"20\d\d/g, '"expires":"2099'))],
      [/^SIGNING_STALE/, changed((text) => text.replaceAll(/"expires":"20\d\d/g, '"expires":"2020'))],
      [/^SIGNING_FOREIGN/, changed((text) => text.replace(honest.catalog, sha256Hex('another')))],
      [/^SIGNING_STALE/, { ...signRequest(honest, all()), payloads: signRequest(honest, all()).payloads.slice(1) }],
      [/^SIGNATURES_MISSING/, { ...honest, releases: honest.releases }],
      [/^SIGNING_STALE/, signRequest({ ...honest, releases: setOf(newKeys(1), 1) }, all())],
    ];
    for (const [reason, request] of cases) expect(await submit(request, release)).toMatch(reason);
    expect(await seen()).toBe(before);
    expect(await submit(signRequest(honest, all()), release)).toBe('accepted');
  });

  it('is not made by the catalog itself, which renews what it signs all the same', async () => {
    const old = await client();
    site.add('encore', '1.1.0');
    await served.publish();
    expect(await old('encore', '1.1.0')).toBeUndefined();
    const state = orThrow(await served.signingState());
    const waiting = state.roles.filter((role) => role.waiting !== '').map((role) => role.role);
    expect(waiting.toSorted()).toEqual(['product-encore', 'releases-2026-1-encore']);
    for (let day = 0; day < 170; day += 4) {
      clock.set(clock.now() + 4 * DAY_MS);
      await served.publish();
      const { signed } = parseMetadata((await served.metadata('timestamp.json')) ?? '');
      expect(Date.parse(signed.expires) - clock.now()).toBeGreaterThan(3 * DAY_MS);
    }
  });
});

describe('a withdrawal with keys that are elsewhere', () => {
  beforeEach(handOver);

  const withdrawnNow = async (): Promise<unknown> => {
    const { signed } = parseMetadata((await served.metadata('timestamp.json')) ?? '');
    const { version } = (signed['meta'] as Record<string, { version: number }>)['snapshot.json'] ?? { version: 0 };
    return parseMetadata((await served.metadata(`${version}.snapshot.json`)) ?? '').signed[WITHDRAWN_FIELD];
  };

  it('is said by the catalog’s own keys until people sign the list again', async () => {
    const old = await client();
    expect(await publish('encore', '1.1.0')).toBe('accepted');
    expect(await publish('other', '1.0.0', all())).toBe('accepted');
    await served.publish();
    expect(await withdrawnNow()).toBeUndefined();

    site.releases.set('encore', [signedRelease('encore', '1.0.0')]);
    await served.publish('encore');
    expect(await withdrawnNow()).toEqual(['encore/1.1.0']);
    const before = await seen();
    await served.publish('other');
    served = await open();
    await served.publish();
    expect(await seen()).toBe(before);
    // A client that does not know the field goes by the list.
    expect(await old('encore', '1.1.0')).toBe(treeText('encore', '1.1.0'));

    // What is signed next for another product does not lose it.
    expect(await publish('other', '1.1.0')).toBe('accepted');
    expect(await withdrawnNow()).toEqual(['encore/1.1.0']);
    expect(await submit(signRequest(await prepare({ renew: false }), all()))).toBe('accepted');
    await served.publish();
    expect(await withdrawnNow()).toBeUndefined();
    expect(await old('encore', '1.1.0')).toBeUndefined();
    expect(await old('encore', '1.0.0')).toBe(treeText('encore', '1.0.0'));
  });
});

describe('other keys', () => {
  beforeEach(handOver);

  it('are followed by clients that pinned any root before', async () => {
    const clients = [await client()];
    for (let i = 0; i < 3; i++) {
      const before = all();
      people = { ...people, root: [...people.root.slice(1), ...newKeys(1)], releases: newKeys(3) };
      expect(await submit(signRequest(await prepare(keysWish()), [...before, ...all()]))).toBe('accepted');
      expect(await publish('encore', `2.${i}.0`)).toBe('accepted');
      clients.push(await client());
      for (const get of clients) expect(await get('encore', `2.${i}.0`)).toBe(treeText('encore', `2.${i}.0`));
    }
  });

  it('are refused without the threshold of the keys before', async () => {
    const before = { ...people };
    const was = await seen();
    people = { ...people, root: newKeys(3) };
    expect(await submit(signRequest(await prepare(keysWish()), all()))).toMatch(
      /^SIGNATURES_MISSING: .*root \(0 of 2\)/,
    );
    const one = signRequest(await prepare(keysWish()), [...all(), before.root[0] as TufKey]);
    expect(await submit(one)).toMatch(/^SIGNATURES_MISSING: .*root \(1 of 2\)/);
    expect(await seen()).toBe(was);
  });

  it('may be new ones of the catalog too, and the old ones are believed no more', async () => {
    const old = await client();
    const before = rootKeysOf(parseMetadata((await served.metadata('root.json')) ?? '').signed);
    expect(await submit(signRequest(await prepare(keysWish(true)), all()))).toBe('accepted');
    const after = rootKeysOf(parseMetadata((await served.metadata('root.json')) ?? '').signed);
    expect(after.snapshot.keys).not.toEqual(before.snapshot.keys);
    expect(after.timestamp.keys).not.toEqual(before.timestamp.keys);
    served = await open();
    expect(await publish('encore', '1.1.0')).toBe('accepted');
    expect(await old('encore', '1.1.0')).toBe(treeText('encore', '1.1.0'));
  });

  it('are not needed to sign again what runs out', async () => {
    await expect(prepare({ renew: true })).rejects.toThrow('everything is signed');
    clock.set(clock.now() + 200 * DAY_MS);
    const renewed = await prepare({ renew: true });
    expect(renewed.payloads.map(({ role }) => role).toSorted()).toEqual([
      'product-encore',
      'releases-2026-1-encore',
      'root',
      'targets',
    ]);
    expect(await submit(signRequest(renewed, all()))).toBe('accepted');
  });

  it('are not needed when the root has run out: clients refuse it, and follow to the next one', async () => {
    const old = await client();
    clock.set(clock.now() + 400 * DAY_MS);
    const doNotFake = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate', 'nextTick', 'queueMicrotask', 'performance', 'hrtime'] as const; // prettier-ignore
    jest.useFakeTimers({ now: clock.now(), doNotFake: [...doNotFake] });
    try {
      await served.publish();
      await expect(old('encore', '1.0.0')).rejects.toThrow(/root.*expired/i);
      expect(await submit(signRequest(await prepare({ renew: true }), all()))).toBe('accepted');
      expect(await old('encore', '1.0.0')).toBe(treeText('encore', '1.0.0'));
    } finally {
      jest.useRealTimers();
    }
  });
});
