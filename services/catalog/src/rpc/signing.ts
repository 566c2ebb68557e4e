import { atToDate, catalogV1 } from '@lastcall/contracts';
import { checkId, isRejected, type Rejected } from '@lastcall/kernel';
import type { Approvals, Prepared, RpcContext, RpcHandlers } from '@lastcall/runtime';
import { isPublicKeyHex, publicKeyFromHex, type KeySet } from '@lastcall/trust';
import { isBlobName } from '../blobs.js';
import { Wrong } from '../requests.js';
import type { PrepareWish, Signing } from '../signing.js';
import type { SigningState } from '../tuf/signing.js';
import { releaseToWire } from '../wire.js';
import { forKeys, type KeysMinutes } from './second-person-for-keys.js';

type Handlers = RpcHandlers<typeof catalogV1.CatalogServiceService>;

const MAX_KEYS = 32;
const MAX_ROLES = 1_000;

export interface SigningParts {
  readonly signing: Signing;
  readonly approvals: Approvals;
  readonly keysMinutes: KeysMinutes;
}

export function signingHandlers(
  parts: SigningParts,
): Pick<Handlers, 'getSigningState' | 'prepareSigning' | 'submitSigning'> {
  const { signing, approvals } = parts;
  const { submitSigning } = catalogV1.CatalogServiceService;
  return {
    getSigningState: async () => {
      const state = await signing.state();
      return isRejected(state) ? state : { state: stateToWire(state) };
    },
    prepareSigning: async (request) => {
      const wish = parseWish(request);
      const prepared = isRejected(wish) ? wish : await signing.prepare(wish);
      return isRejected(prepared) ? prepared : { blob: prepared.blob, sizeBytes: BigInt(prepared.bytes) };
    },
    submitSigning: approvals.guard(submitSigning, (request, context) => prepareSubmission(parts, request, context)),
  };
}

async function prepareSubmission(
  { signing, keysMinutes }: SigningParts,
  { blob }: catalogV1.SubmitSigningRequest,
  { principal }: RpcContext,
): Promise<Prepared<catalogV1.SubmitSigningResponse> | Rejected> {
  const wrong = new Wrong();
  if (!isBlobName(blob)) wrong.add({ field: 'blob', description: 'must be 64 hexadecimal digits in lower case' });
  const checked = wrong.rejected() ?? (await signing.check(blob, principal?.role === 'admin'));
  if (isRejected(checked)) return checked;
  const { changesKeys, says } = checked;
  const perform = async (): Promise<catalogV1.SubmitSigningResponse | Rejected> => {
    const done = await checked.perform();
    if (isRejected(done)) return done;
    const state = await signing.state();
    if (isRejected(state)) return state;
    return { release: done.release && releaseToWire(done.release), state: stateToWire(state) };
  };
  return { ...forKeys(keysMinutes, changesKeys), shown: { blob, says }, perform };
}

function parseWish(request: catalogV1.PrepareSigningRequest): PrepareWish | Rejected {
  const wrong = new Wrong();
  const given = [request.release !== '', request.keys !== undefined, request.renew].filter(Boolean).length;
  if (given > 1) wrong.add({ field: 'release', description: 'stands beside keys or renew; give one of them' });
  const { renew } = request;
  if (request.release !== '') {
    const { product, version } = wrong.name('release', 'release', request.release);
    const channel = request.channel === '' ? 'stable' : request.channel;
    wrong.add(checkId('channel', channel));
    return wrong.rejected() ?? { release: { product, version, channel }, renew };
  }
  if (!request.keys) return wrong.rejected() ?? { renew };
  const set = (name: 'root' | 'targets' | 'releases'): KeySet => parseSet(wrong, `keys.${name}`, request.keys?.[name]);
  const keys = { root: set('root'), targets: set('targets'), releases: set('releases') };
  return wrong.rejected() ?? { keys: { ...keys, newOnlineKeys: request.keys.newOnlineKeys }, renew };
}

function parseSet(wrong: Wrong, field: string, set: catalogV1.SigningKeys | undefined): KeySet {
  const hex = (set?.publicKeys ?? []).map((key) => Buffer.from(key).toString('hex'));
  const threshold = set?.threshold ?? 0;
  if (hex.length < 1 || hex.length > MAX_KEYS) {
    wrong.add({ field: `${field}.public_keys`, description: `has ${hex.length} keys; 1 to ${MAX_KEYS} are allowed` });
  }
  if (!hex.every(isPublicKeyHex)) {
    wrong.add({ field: `${field}.public_keys`, description: 'must be Ed25519 keys of 32 bytes each' });
  }
  if (new Set(hex).size < hex.length) wrong.add({ field: `${field}.public_keys`, description: 'has a key twice' });
  if (threshold < 1 || threshold > hex.length) {
    wrong.add({ field: `${field}.threshold`, description: `is ${threshold}; 1 to the number of keys is allowed` });
  }
  return { keys: hex.map(publicKeyFromHex), threshold };
}

function setToWire({ keys, threshold }: KeySet): catalogV1.SigningKeys {
  return { publicKeys: keys.map((key) => Buffer.from(key.keyval.public, 'hex')), threshold };
}

function stateToWire(state: SigningState): catalogV1.SigningState {
  const { root, releases } = state;
  const roles = state.roles.toSorted((a, b) => Number(b.waiting !== '') - Number(a.waiting !== '') || a.expiresAt - b.expiresAt); // prettier-ignore
  return {
    offline: state.offline,
    rootVersion: BigInt(state.rootVersion),
    root: setToWire(root.root),
    targets: setToWire(root.targets),
    releases: setToWire(releases),
    snapshot: setToWire(root.snapshot),
    timestamp: setToWire(root.timestamp),
    roles: roles.slice(0, MAX_ROLES).map(({ role, version, expiresAt, waiting }) => ({
      role,
      version: BigInt(version),
      expireTime: expiresAt === 0 ? undefined : atToDate(expiresAt),
      waiting,
    })),
  };
}
