import { reject, RejectedError } from '@lastcall/kernel';
import {
  describeRequest,
  missingWords,
  namesOf,
  openKey,
  readKeyFiles,
  readTrust,
  signersNeeded,
  signersOf,
  signRequest,
  type KeyFile,
  type SigningRequest,
  type TufKey,
} from '@lastcall/trust';
import { confirmOr } from '../ask.js';
import { createProgress } from '../render/progress.js';
import { safe } from '../render/text.js';
import type { Work } from '../work.js';
import { askPassphrase, type PassphraseOptions } from './passphrase.js';

/*
 * Signatures of the keys in a folder under a signing request. Shows what is signed before it is signed. Opens no more keys than are needed,
 * and works without any network.
 */

export interface SignOptions extends PassphraseOptions {
  readonly keys: string;
  readonly yes?: boolean;
}

export async function signWithFolder(
  work: Work,
  request: SigningRequest,
  options: SignOptions,
): Promise<SigningRequest> {
  const trust = await readTrust(options.keys);
  const names = namesOf(trust);
  work.note(describeRequest(request, names).map(safe).join('\n'));
  await confirmSigning(work, options);
  const active = new Set(Object.values(trust.roles).flatMap((role) => role.keys.map((key) => key.public)));
  const files = (await readKeyFiles(options.keys)).toSorted(
    (a, b) => Number(active.has(b.public)) - Number(active.has(a.public)),
  );
  if (!files.some((file) => isWanted(request, file))) {
    const missing = missingWords(request);
    const why = missing === '' ? 'it has all signatures already' : `it waits for ${missing}`;
    throw refused('NO_KEY_FOR_IT', `${options.keys} has no key that is wanted here: ${why}`);
  }
  const signed = await signWithFiles(work, request, files, await askPassphrase(work.io, options));
  const missing = missingWords(signed);
  work.note(
    missing === ''
      ? 'All signatures are there.'
      : `Still missing: ${missing}. Sign it with the keys of somebody else too.`,
  );
  return signed;
}

async function confirmSigning(work: Work, { yes }: SignOptions): Promise<void> {
  if (yes || (await confirmOr(work, 'Sign this?', '--yes'))) return;
  throw refused('NOT_SIGNED', 'nothing was signed');
}

/** Key after key, as long as one is wanted. A file with another passphrase is another person's: it is passed over. */
async function signWithFiles(
  work: Work,
  request: SigningRequest,
  files: readonly KeyFile[],
  passphrase: string,
): Promise<SigningRequest> {
  const progress = createProgress(work);
  let signed = request;
  let failure: RejectedError | undefined;
  let used = 0;
  for (const file of files.filter((candidate) => isWanted(request, candidate))) {
    if (!isWanted(signed, file)) continue;
    const key = await open(file, passphrase);
    if (key instanceof RejectedError) {
      failure ??= key;
      progress.say(`${file.name}: the passphrase does not open it; passed over`);
      continue;
    }
    signed = signRequest(signed, [key]);
    used++;
    progress.say(`${file.name} has signed`);
  }
  if (used === 0 && failure) throw failure;
  return signed;
}

async function open(file: KeyFile, passphrase: string): Promise<TufKey | RejectedError> {
  try {
    return await openKey(file, passphrase);
  } catch (error) {
    if (error instanceof RejectedError && error.rejected.reason === 'WRONG_PASSPHRASE') return error;
    throw error;
  }
}

/** Whether a payload lacks signatures and this key may give one. */
function isWanted(request: SigningRequest, { public: hex }: KeyFile): boolean {
  return request.payloads.some((payload) =>
    signersNeeded(request, payload.role).some((set) => {
      const key = set.keys.find((candidate) => candidate.keyval.public === hex);
      if (!key) return false;
      const have = signersOf(payload, set);
      return have.length < set.threshold && signersOf(payload, { keys: [key], threshold: 1 }).length === 0;
    }),
  );
}

function refused(reason: string, message: string): RejectedError {
  return new RejectedError(reject('refused', reason, message));
}
