import { DAY_MS, HOUR_MS, isRejected, reject, type Rejected } from '@lastcall/kernel';
import type { Duty, Logger } from '@lastcall/runtime';
import type { SigningRequest } from '@lastcall/trust';
import { actOn } from './decide.js';
import { releaseId } from './documents.js';
import type { KnownRelease } from './domain/release.js';
import { releaseMachine } from './machines.js';
import { checkReady, finish, toSigned, type PublishingParts } from './publishing.js';
import { readRequest, type SigningState, type SigningWish } from './tuf/signing.js';

/*
 * Publication with keys that are not on the catalog: prepared here, signed elsewhere, taken back here. The steps are those of every
 * publication; in place of signing, the catalog accepts signatures. Refusals come before the first step, so nothing is half done;
 * what was interrupted goes on when the same signed file is sent again.
 */

export interface Signing {
  /** Hash of the blob with the request, and its bytes. */
  prepare(wish: PrepareWish): Promise<{ readonly blob: string; readonly bytes: number } | Rejected>;
  /** What came back signed, and would be accepted. `mayHandOver`: whether the caller may give the catalog's own keys away. */
  check(blob: string, mayHandOver: boolean): Promise<Submission | Rejected>;
  state(): Promise<SigningState | Rejected>;
}

export interface Submission {
  /** Whether other keys would sign from then on. */
  readonly changesKeys: boolean;
  /** What the signatures say, for people. */
  readonly says: readonly string[];
  /** The release, when it is about one. */
  perform(): Promise<{ readonly release?: KnownRelease } | Rejected>;
}

export type PrepareWish = Omit<SigningWish, 'release'> & {
  readonly release?: { readonly product: string; readonly version: string; readonly channel: string };
};

export function createSigning(parts: PublishingParts): Signing {
  return {
    prepare: (wish) => prepare(parts, wish),
    check: (blob, mayHandOver) => check(parts, blob, mayHandOver),
    state: () => parts.repository.signingState(),
  };
}

const WATCH_EVERY_MS = 12 * HOUR_MS;
const WARN_BEFORE_MS = 60 * DAY_MS;

/** Says in the log, twice a day, what people have to sign again before clients refuse it. */
export function createSignatureWatch({ repository }: PublishingParts, log: Logger, now: () => Promise<number>): Duty {
  return {
    name: 'signature-watch',
    everyMs: WATCH_EVERY_MS,
    runOnce: async () => {
      const state = await repository.signingState();
      if (isRejected(state) || !state.offline) return undefined;
      const at = await now();
      const ending = state.roles.filter(({ waiting, expiresAt }) => waiting !== '' && expiresAt < at + WARN_BEFORE_MS);
      const soonest = Math.min(...ending.map(({ expiresAt }) => expiresAt));
      if (ending.length > 0) {
        const until = new Date(soonest).toISOString();
        log.warn({ roles: ending.length, until }, 'signatures run out: "lastcall keys renew" where the keys are');
      }
      return undefined;
    },
  };
}

async function prepare(parts: PublishingParts, { release, ...wish }: PrepareWish): ReturnType<Signing['prepare']> {
  const signed = release && (await signedRelease(parts, release));
  if (isRejected(signed)) return signed;
  const request = await parts.repository.prepare({ ...wish, ...(signed && { release: signed }) });
  if (isRejected(request)) return request;
  return { blob: await parts.blobs.keep(request), bytes: request.byteLength };
}

/** The release as the repository would list it, when everything else is ready. */
async function signedRelease(
  parts: PublishingParts,
  { product, version, channel }: NonNullable<PrepareWish['release']>,
): Promise<NonNullable<SigningWish['release']> | Rejected> {
  const release = (await parts.documents.releases.get(releaseId(product, version)))?.data;
  if (!release || release.state === 'absent') {
    return reject('not-found', 'RELEASE_NOT_FOUND', `there is no release ${version} of ${product}; upload it first`);
  }
  if (release.state === 'withdrawn') {
    return reject('refused', 'RELEASE_WITHDRAWN', 'the release was withdrawn; publish the repaired one under a new version'); // prettier-ignore
  }
  const refused = await checkReady(parts, release, channel);
  return refused ?? { product, version, channel, signed: toSigned(release.content, release.createdAt) };
}

async function check(parts: PublishingParts, blob: string, mayHandOver: boolean): ReturnType<Signing['check']> {
  const bytes = await parts.blobs.read(blob);
  if (!bytes) return reject('not-found', 'BLOB_NOT_FOUND', `there is no blob ${blob}; upload the signed file first`);
  const request = readRequest(bytes);
  if (isRejected(request)) return request;
  // Later the signatures decide; until then the catalog would sign for whoever asks.
  if (!mayHandOver && !(await parts.repository.isOffline())) {
    return reject('not-permitted', 'ADMIN_NEEDED', 'the catalog gives its keys away to an administrator only');
  }
  return request.release ? checkRelease(parts, request, request.release) : checkOther(parts, request);
}

async function checkOther({ repository }: PublishingParts, request: SigningRequest): ReturnType<Signing['check']> {
  const checked = await repository.check(request, undefined);
  if (isRejected(checked)) return checked;
  return { ...checked, perform: async () => (await checked.commit()) ?? {} };
}

async function checkRelease(
  parts: PublishingParts,
  request: SigningRequest,
  release: NonNullable<SigningRequest['release']>,
): ReturnType<Signing['check']> {
  const { product, version, channel } = release;
  const id = releaseId(product, version);
  const known = (await parts.documents.releases.get(id))?.data;
  if (known?.state === 'published' && known.channels.includes(channel)) {
    return { changesKeys: false, says: [], perform: async () => ({ release: known }) };
  }
  const signed = await signedRelease(parts, release);
  if (isRejected(signed)) return signed;
  const checked = await parts.repository.check(request, signed);
  if (isRejected(checked)) return checked;
  const content = known && known.state !== 'absent' ? known.content : undefined;
  if (!content) return reject('not-found', 'RELEASE_NOT_FOUND', `there is no release ${version} of ${product}`);
  const publish = async (): ReturnType<Submission['perform']> => {
    const begun = await actOn(parts.documents.releases, releaseMachine).carryOut(id, () => {
      return { type: 'begin-publication', content, channel };
    });
    if (isRejected(begun)) return begun;
    const refused = await checked.commit();
    if (refused) return refused;
    const finished = await finish(parts, id);
    return isRejected(finished) ? finished : { release: finished };
  };
  return { ...checked, perform: publish };
}
