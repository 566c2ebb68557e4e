import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DAY_MS, type ManualClock } from '@lastcall/kernel';
import type { Store } from '@lastcall/store';
import { delegationsBody, targetsBody, type Target } from '@lastcall/trust';
import { openDocuments } from '../documents.js';
import { MAX_ROLE_TARGETS } from '../domain/year-roles.js';
import {
  serveRepository,
  signedRelease,
  treePath,
  treeText,
  type ServedRepository,
} from '../testing/served-repository.js';
import { ownAuthority } from './authority.js';
import { DEFAULT_POLICY, loadKeys } from './keys.js';
import { DEFAULT_LIFETIMES, type RepositoryOptions } from './opened.js';
import type { Repository } from './repository.js';
import { commit, signHead, signRole, takeNumber, writeRole, type PassStep } from './writing.js';

let site: ServedRepository;
let served: Repository;
let dir: string;
let store: Store;
let clock: ManualClock;

beforeEach(async () => {
  site = await serveRepository(() => served);
  ({ dir, store, clock } = site);
});
afterEach(() => site.close());

const open = (more?: Partial<RepositoryOptions>): Promise<Repository> => site.open(more);
const release = (product: string, version: string): void => site.add(product, version);
const has = (product: string, version: string): [string, string] => [
  treePath(product, version),
  treeText(product, version),
];

describe('the signed repository', () => {
  it('serves a real client through publications and a withdrawal', async () => {
    served = await open();
    await served.publish();
    const host = await site.client();
    const [path, text] = has('encore', '11.0.0');
    expect(await host(path)).toBeUndefined();

    release('encore', '11.0.0');
    await served.publish();
    expect(await host(path)).toBe(text);

    release('encore', '11.1.0');
    release('other', '1.0.0');
    await served.publish();
    for (const [p, t] of [has('encore', '11.1.0'), has('other', '1.0.0'), has('encore', '11.0.0')]) {
      expect(await host(p)).toBe(t);
    }

    // The last release of a product goes: its role stays in the snapshot, or clients would refuse it.
    site.releases.delete('other');
    await served.publish();
    expect(await host(has('other', '1.0.0')[0])).toBeUndefined();
    expect(await served.target(has('other', '1.0.0')[0])).toBeUndefined();
    expect(await host(path)).toBe(text);
  });

  it('changes nothing when nothing changed', async () => {
    served = await open();
    release('encore', '11.0.0');
    await served.publish();
    const before = await served.metadata('timestamp.json');
    await served.publish();
    served = await open();
    await served.publish();
    expect(await served.metadata('timestamp.json')).toEqual(before);
  });

  it('keeps its keys to itself', async () => {
    served = await open();
    const keys = join(dir, 'tuf', 'keys');
    const names = (await readdir(keys)).toSorted();
    expect(names).toEqual(['releases-1.pem', 'root-1.pem', 'snapshot-1.pem', 'targets-1.pem', 'timestamp-1.pem']);
    for (const name of names) expect((await stat(join(keys, name))).mode & 0o777).toBe(0o600);
  });

  it('answers nothing that is no metadata', async () => {
    served = await open();
    await served.publish();
    for (const name of ['../keys/root-1.pem', '2.root.json', 'x.json', '', '1.ROOT.json', '1.root.json/']) {
      expect(await served.metadata(name)).toBeUndefined();
    }
  });

  it('is refused by a client when a file was changed on the way', async () => {
    served = await open();
    await served.publish();
    const host = await site.client();
    release('encore', '11.0.0');
    await served.publish();
    const honest = served;
    served = {
      ...honest,
      metadata: async (name) => {
        const bytes = await honest.metadata(name);
        return name.includes('product-encore') ? Buffer.from(`${bytes?.toString()} `) : bytes;
      },
    };
    await expect(host(has('encore', '11.0.0')[0])).rejects.toThrow(/length/);
  });
});

describe('a crash', () => {
  const steps: PassStep[] = ['begun', 'role-written', 'snapshot-written', 'published'];

  /** Ends the pass at the n-th step, as a kill would. */
  function dieAt(step: PassStep, nth: number): (reached: PassStep) => void {
    let left = nth;
    return (reached) => {
      if (reached === step && --left === 0) throw new Error('killed');
    };
  }

  it.each(steps.flatMap((step) => (step === 'role-written' ? [1, 2, 3] : [1]).map((nth) => [step, nth] as const)))(
    'at %s (%d) leaves what was there, and the next start finishes',
    async (step, nth) => {
      served = await open();
      release('encore', '11.0.0');
      await served.publish();
      const host = await site.client();
      const [before, beforeText] = has('encore', '11.0.0');
      const [after, afterText] = has('new', '1.0.0');
      expect(await host(before)).toBe(beforeText);

      release('new', '1.0.0');
      const dying = await open({ onStep: dieAt(step, nth) });
      await expect(dying.publish()).rejects.toThrow('killed');
      served = await open();
      // Whole: either all of the old or all of the new.
      expect(await host(before)).toBe(beforeText);
      expect(await host(after)).toBe(step === 'published' ? afterText : undefined);

      await served.publish();
      expect(await host(after)).toBe(afterText);
      expect(await host(before)).toBe(beforeText);
    },
  );

  it('that took the metadata folder is healed by signing again', async () => {
    served = await open();
    release('encore', '11.0.0');
    await served.publish();
    const host = await site.client();
    for (const name of await readdir(join(dir, 'tuf', 'metadata'))) {
      if (!name.endsWith('root.json')) await rm(join(dir, 'tuf', 'metadata', name));
    }
    served = await open();
    await served.publish();
    const [path, text] = has('encore', '11.0.0');
    expect(await host(path)).toBe(text);
  });

  it('that took the store does not send clients back in time', async () => {
    served = await open();
    release('encore', '11.0.0');
    await served.publish();
    const host = await site.client();
    const [path, text] = has('encore', '11.0.0');
    expect(await host(path)).toBe(text);
    const { repository } = await openDocuments(store);
    await repository.remove('main');
    served = await open();
    await served.publish();
    expect(await host(path)).toBe(text);
  });
});

describe('time', () => {
  it('renews signatures long before they end, also the root', async () => {
    served = await open();
    release('encore', '11.0.0');
    await served.publish();
    const first = JSON.parse((await served.metadata('timestamp.json'))?.toString() ?? '') as {
      signed: { expires: string };
    };
    expect(Date.parse(first.signed.expires)).toBeGreaterThan(clock.now() + DEFAULT_LIFETIMES.timestampMs - 2_000);
    const rootBefore = await served.metadata('root.json');
    for (let day = 0; day < 400; day++) {
      clock.set(Math.max(clock.now(), await served.renewalAt()));
      await served.publish();
      if (clock.now() > Date.now() + 400 * DAY_MS) break;
      for (const name of ['timestamp.json', 'root.json']) {
        const { signed } = JSON.parse((await served.metadata(name))?.toString() ?? '') as {
          signed: { expires: string };
        };
        expect(Date.parse(signed.expires) - clock.now()).toBeGreaterThan(3 * DAY_MS);
      }
    }
    expect(await served.metadata('root.json')).not.toEqual(rootBefore);
    expect(await served.metadata('2.root.json')).toBeDefined();
  });

  it('is met by a client that was away for a year', async () => {
    clock.set(Date.now() - 400 * DAY_MS);
    served = await open();
    release('encore', '11.0.0');
    await served.publish();
    const host = await site.client();
    clock.set(Date.now());
    served = await open();
    await served.publish();
    const [path, text] = has('encore', '11.0.0');
    expect(await host(path)).toBe(text);
  });
});

describe('keys', () => {
  it('may become more, and clients follow', async () => {
    served = await open();
    release('encore', '11.0.0');
    await served.publish();
    const host = await site.client();
    const [path, text] = has('encore', '11.0.0');
    expect(await host(path)).toBe(text);

    const two = { keys: 3, threshold: 2 };
    const policy = { ...DEFAULT_POLICY, root: two, targets: two, releases: two };
    served = await open({ policy });
    await served.publish();
    expect(await host(path)).toBe(text);
    const root = JSON.parse((await served.metadata('root.json'))?.toString() ?? '') as {
      signed: { version: number; roles: { root: { threshold: number; keyids: string[] } } };
    };
    expect(root.signed).toMatchObject({ version: 2, roles: { root: { threshold: 2 } } });
    expect(root.signed.roles.root.keyids).toHaveLength(3);
  });
});

describe('roles of a year', () => {
  it('take over from a product’s role that listed its targets itself', async () => {
    served = await open();
    await served.publish();
    const host = await site.client();
    release('encore', '11.0.0');
    const [path, text] = has('encore', '11.0.0');
    await publishAsBefore('encore', signedRelease('encore', '11.0.0').targets);
    expect(await host(path)).toBe(text);

    served = await open();
    release('encore', '11.1.0');
    await served.publish();
    expect(await host(path)).toBe(text);
    expect(await host(has('encore', '11.1.0')[0])).toBe(has('encore', '11.1.0')[1]);
    const { head } = (await (await openDocuments(store)).repository.get('main'))?.data ?? {};
    expect(Object.keys(head?.roles ?? {}).toSorted()).toEqual(['product-encore', 'releases-2026-1-encore', 'targets']);
  });

  it('are signed one at a time', async () => {
    served = await open();
    for (let i = 0; i < MAX_ROLE_TARGETS + 2; i++) release('encore', `1.${i}.0`);
    release('other', '1.0.0');
    await served.publish();
    const versionsOfRoles = async () => {
      const { head } = (await (await openDocuments(store)).repository.get('main'))?.data ?? {};
      return Object.fromEntries(Object.entries(head?.roles ?? {}).map(([role, { version }]) => [role, version]));
    };
    const before = await versionsOfRoles();
    release('encore', '2.0.0');
    await served.publish('encore');
    const after = await versionsOfRoles();
    const changed = Object.keys(after).filter((role) => after[role] !== before[role]);
    expect(changed.toSorted()).toEqual(['product-encore', 'releases-2026-2-encore']);
    const host = await site.client();
    for (const [path, text] of [has('encore', '1.0.0'), has('encore', '2.0.0'), has('other', '1.0.0')]) {
      expect(await host(path)).toBe(text);
    }
    expect(await host('encore/9.0.0/server-any.tree.json')).toBeUndefined();
  });
});

/** The head as it was signed before there were roles of a year. */
async function publishAsBefore(product: string, targets: readonly Target[]): Promise<void> {
  const { repository } = await openDocuments(store);
  const keys = await loadKeys(join(dir, 'tuf', 'keys'), DEFAULT_POLICY);
  const authority = ownAuthority(keys, DEFAULT_POLICY);
  const place = { documents: repository, metadataDir: join(dir, 'tuf', 'metadata'), lifetimes: DEFAULT_LIFETIMES };
  const { number, head } = await takeNumber(place);
  const now = clock.now();
  const expiresAt = now + DEFAULT_LIFETIMES.targetsMs;
  const write = (role: string, body: Record<string, unknown>, signers: typeof keys.targets) =>
    writeRole(place, role, { version: number, expiresAt, bytes: signRole(number, expiresAt, body, signers), digest: 'as before' }); // prettier-ignore
  const delegation = { role: `product-${product}`, paths: [`${product}/*/*`] };
  const roles = {
    ...head?.roles,
    [delegation.role]: await write(delegation.role, targetsBody(targets), keys.releases),
    targets: await write('targets', delegationsBody([delegation], authority.releases), keys.targets),
  };
  const next = { before: head, roles, snapshot: true, keysDigest: 'as before', number, now };
  expect(await commit(place, head, await signHead(place, authority, next))).toBe(true);
}

describe('two processes on one folder', () => {
  it('publish side by side without losing a release or going back', async () => {
    const [a, b] = await Promise.all([open(), open()]);
    served = a;
    await a.publish();
    const host = await site.client();
    const versions = Array.from({ length: 8 }, (_, i) => `1.${i}.0`);
    await Promise.all(
      versions.map(async (version, i) => {
        release(i % 2 === 0 ? 'even' : 'odd', version);
        await (i % 3 === 0 ? a : b).publish();
        await host(has('even', '1.0.0')[0]).catch((error: unknown) => {
          // A client that read the timestamp a moment ago finds its files all the same.
          throw new Error(`the client was sent back: ${String(error)}`, { cause: error });
        });
      }),
    );
    for (const [i, version] of versions.entries()) {
      const [path, text] = has(i % 2 === 0 ? 'even' : 'odd', version);
      expect(await host(path)).toBe(text);
    }
  });
});
