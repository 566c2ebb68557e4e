import { approvalV1, catalogV1, commonV1, type RoleName } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { CallError, createClient, type UnaryClient } from '@lastcall/sdk';
import { startStack, type Stack } from '@lastcall/testkit';
import {
  formatMirrorIndex,
  formatSigningRequest,
  keyFromPem,
  newPrivateKeyPem,
  parseSigningRequest,
  signRequest,
  type TufKey,
} from '@lastcall/trust';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { catalogModule } from './service.js';
import { carry, fingerprint, openSite, publishEncore, type Carried } from './testing/mirror-site.js';

/*
 * Who signs, where two people have to agree on it: the hand-over, other keys, and the root that a mirror pins. What changes no key stays one
 * person's.
 */

const PARENT = 'installations/-';
const PAGE = { pageSize: 0, pageToken: '' };
const { ApprovalState } = approvalV1;
const newKeys = (n: number): TufKey[] => Array.from({ length: n }, () => keyFromPem(newPrivateKeyPem()));

describe('keys that two people decide on', () => {
  let stack: Stack;
  beforeEach(async () => {
    stack = await startStack({ modules: [catalogModule], settings: { secondPersonForKeysMinutes: 60 } });
  });
  afterEach(() => stack.stop());

  type Catalog = UnaryClient<typeof catalogV1.CatalogServiceService>;
  const as = (subject: string, role: RoleName = 'admin', installation?: string): Catalog =>
    createClient(catalogV1.CatalogServiceService, stack.channel(role, installation, subject));
  const headers = (): Record<string, string> => ({ authorization: `Bearer ${stack.token('admin')}` });
  const put = async (bytes: Uint8Array): Promise<string> => {
    const blob = sha256Hex(bytes);
    await fetch(`${stack.httpUrl}/blobs/${blob}`, { method: 'PUT', body: new Uint8Array(bytes), headers: headers() });
    return blob;
  };
  const stateNow = async () => (await as('anna').getSigningState({})).state;

  const keySet = (keys: readonly TufKey[]): catalogV1.SigningKeys => {
    return { publicKeys: keys.map((key) => Buffer.from(key.publicKey.keyval.public, 'hex')), threshold: keys.length };
  };
  const allOf = (keys: readonly TufKey[], releases = keys): Partial<catalogV1.PrepareSigningRequest> => {
    const set = keySet(keys);
    return { keys: { root: set, targets: set, releases: keySet(releases), newOnlineKeys: false } };
  };
  /** Prepared, signed by these, and on the catalog. */
  async function signed(wish: Partial<catalogV1.PrepareSigningRequest>, keys: readonly TufKey[]): Promise<string> {
    const { blob } = await as('anna').prepareSigning(catalogV1.PrepareSigningRequest.fromPartial(wish));
    const response = await fetch(`${stack.httpUrl}/blobs/${blob}`, { headers: headers() });
    const request = parseSigningRequest(Buffer.from(await response.arrayBuffer()));
    if (typeof request === 'string') throw new Error(request);
    return put(formatSigningRequest(signRequest(request, keys)));
  }
  /** Name of the request that this call has left. */
  async function left(call: Promise<unknown>): Promise<string> {
    const error: unknown = await call.then(
      () => new Error('not refused'),
      (e: unknown) => e,
    );
    if (!(error instanceof CallError) || error.reason !== 'SECOND_PERSON_NEEDED') throw error;
    expect(error.message).toContain(`approve ${error.facts['approval']} -i -`);
    return `${PARENT}/approvals/${error.facts['approval']}`;
  }
  async function handOver(keys: readonly TufKey[]): Promise<void> {
    const blob = await signed(allOf(keys), keys);
    await as('ben').grantApproval({ name: await left(as('anna').submitSigning({ blob })) });
  }

  /** Encore's first release, and with it who signs for Encore. */
  async function publish(keys: readonly TufKey[]): Promise<catalogV1.SubmitSigningResponse> {
    const file = Buffer.from('console.log(1)');
    await put(file);
    await as('anna').createProduct({
      productId: 'encore',
      product: catalogV1.Product.fromPartial({ title: 'Encore' }),
    });
    await as('anna').createRelease({
      parent: 'products/encore',
      manifest: Buffer.from('product: encore\nversion: 1.0.0\ntitle: E\nartifacts: [{ role: server, directory: a }]\ncommands: {}\n'), // prettier-ignore
      artifacts: [{ role: commonV1.HostRole.SERVER, platform: 'any', files: [{ path: 'server.js', mode: 0o644, sizeBytes: BigInt(file.length), sha256: sha256Hex(file) }] }], // prettier-ignore
      treeBlobs: [],
    });
    const blob = await signed({ release: 'products/encore/releases/1.0.0' }, keys);
    return as('carl', 'operator').submitSigning({ blob });
  }

  it('are handed over by two, and others are set by two', async () => {
    const [keys, others] = [newKeys(2), newKeys(1)];
    const blob = await signed(allOf(keys), keys);
    const name = await left(as('anna').submitSigning({ blob }));
    expect(await stateNow()).toMatchObject({ offline: false, rootVersion: 1n });
    await expect(as('anna').grantApproval({ name })).rejects.toMatchObject({ reason: 'SAME_PERSON' });
    const { approval } = await as('ben', 'approver').grantApproval({ name });
    expect(approval).toMatchObject({ name, action: 'keys', state: ApprovalState.CARRIED_OUT, decidedBy: 'ben' });
    // In words: whoever agrees has no file at hand.
    expect(approval?.request).toMatch(/root version 2.*root: 2 of key [0-9a-f]{12}, key [0-9a-f]{12}/);
    expect(await stateNow()).toMatchObject({ offline: true, rootVersion: 2n });

    const next = await signed(allOf(keys, others), keys);
    const second = await left(as('anna').submitSigning({ blob: next }));
    await as('ben').grantApproval({ name: second });
    expect((await stateNow())?.releases).toEqual(keySet(others));
    // The same file again changes nothing, so nobody else is needed.
    await as('anna').submitSigning({ blob: next });
  });

  it('stay one person’s where they stay the same', async () => {
    const keys = newKeys(1);
    await handOver(keys);
    const { release, state } = await publish(keys);
    expect([release?.version, state?.rootVersion]).toEqual(['1.0.0', 2n]);
    expect((await stateNow())?.roles.every(({ waiting }) => waiting === '')).toBe(true);
  });

  it('are not set when something else was published before somebody agreed', async () => {
    const [keys, others] = [newKeys(1), newKeys(1)];
    await handOver(keys);
    const blob = await signed(allOf(keys, others), keys);
    const name = await left(as('anna').submitSigning({ blob }));
    await publish(keys);
    const { approval } = await as('ben').grantApproval({ name });
    expect(approval).toMatchObject({ state: ApprovalState.FAILED, outcome: expect.stringMatching(/prepare it anew/) });
    expect((await stateNow())?.releases).toEqual(keySet(keys));
  });

  it('wait only when they are right, and are nothing of one installation', async () => {
    const keys = newKeys(2);
    const blob = await signed(allOf(keys), keys.slice(0, 1));
    await expect(as('anna').submitSigning({ blob })).rejects.toMatchObject({ reason: 'SIGNATURES_MISSING' });
    await expect(as('carl', 'operator').submitSigning({ blob })).rejects.toMatchObject({ reason: 'ADMIN_NEEDED' });
    expect((await as('anna').listApprovals({ parent: PARENT, ...PAGE })).approvals).toEqual([]);
    const name = await left(as('anna').submitSigning({ blob: await signed(allOf(keys), keys) }));
    const bound = as('mona', 'admin', 'berlin');
    await expect(bound.listApprovals({ parent: PARENT, ...PAGE })).rejects.toMatchObject({ code: 7 });
    await expect(bound.grantApproval({ name })).rejects.toMatchObject({ code: 7 });
    const elsewhere = name.replace('/-/', '/berlin/');
    await expect(bound.grantApproval({ name: elsewhere })).rejects.toMatchObject({ reason: 'NOT_FOUND' });
    await as('ben').refuseApproval({ name, reason: 'Not today.' });
    expect((await as('anna').listApprovals({ parent: PARENT, ...PAGE })).approvals).toMatchObject([
      { name, state: ApprovalState.REFUSED, outcome: 'Not today.' },
    ]);
    expect(await stateNow()).toMatchObject({ offline: false });
  });

  describe('of another catalog', () => {
    let dir: string;
    let carried: Carried;
    beforeEach(async () => {
      dir = await mkdtemp(join(tmpdir(), 'lastcall-first-'));
      const first = await openSite(dir);
      await publishEncore(first, '1.0.0', 'one');
      carried = await carry(first, dir, '1.0.0');
      await first.close();
    });
    afterEach(() => rm(dir, { recursive: true, force: true }));

    it('are pinned by two; files are asked for before, and later imports are one person’s', async () => {
      const blob = await put(formatMirrorIndex(carried));
      const wish = { blob, root: fingerprint(carried), channel: '' };
      const sent: string[] = [];
      const send = async (): Promise<void> => {
        const { missingBlobs } = await as('anna').importMirror(wish);
        for (const sha256 of missingBlobs) sent.push(await put(carried.blobs.get(sha256) ?? Buffer.alloc(0)));
        return send();
      };
      const name = await left(send());
      expect(sent.length).toBeGreaterThan(0);
      expect((await as('anna').getMirror({})).mirror).toBeUndefined();
      const { approval } = await as('ben').grantApproval({ name });
      expect(approval).toMatchObject({ action: 'keys', state: ApprovalState.CARRIED_OUT });
      expect((await as('anna').getMirror({})).mirror).toMatchObject({ pinnedRoot: wish.root, rootVersion: 1n });
      await as('carl', 'operator').importMirror({ ...wish, root: '' });
    });
  });
});
