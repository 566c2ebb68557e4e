import { readFile, rename, writeFile } from 'node:fs/promises';
import { catalogV1 } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { CallError, CODE } from '@lastcall/sdk';
import { formatSigningRequest, parseSigningRequest, type SigningRequest } from '@lastcall/trust';
import type { Services } from '../connect.js';
import { FileProblems } from '../failures.js';
import { downloadBlob } from '../publish/download-blob.js';
import { uploadBlobs } from '../publish/upload-blobs.js';

/*
 * Signing requests between the catalog, files and whoever signs.
 */

const TIMEOUT_MS = 2 * 60_000;

/** Asks the catalog for what is to be signed. */
export async function fetchRequest(
  { catalog, connection }: Services,
  wish: Partial<catalogV1.PrepareSigningRequest>,
): Promise<SigningRequest> {
  const request = catalogV1.PrepareSigningRequest.fromPartial(wish);
  const { blob, sizeBytes } = await catalog.prepareSigning(request, { timeoutMs: TIMEOUT_MS });
  const parsed = parseSigningRequest(await downloadBlob(connection, blob, Number(sizeBytes)));
  if (typeof parsed !== 'string') return parsed;
  throw new CallError(
    CODE.internal,
    `what the catalog prepared ${parsed}; is it of another version than this program?`,
  );
}

/** Hands what was signed to the catalog. */
export async function submitRequest(
  { catalog, connection }: Services,
  request: SigningRequest,
): Promise<catalogV1.SubmitSigningResponse> {
  const source = formatSigningRequest(request);
  const blob = sha256Hex(source);
  await uploadBlobs(connection, [{ sha256: blob, size: source.byteLength, source }], () => {});
  return catalog.submitSigning({ blob }, { timeoutMs: TIMEOUT_MS });
}

export async function readRequestFile(path: string): Promise<SigningRequest> {
  const bytes = await readFile(path).catch(() => undefined);
  if (!bytes) throw new FileProblems([{ file: path, rule: 'cannot be read; "lastcall release prepare" makes it' }]);
  const request = parseSigningRequest(bytes);
  if (typeof request !== 'string') return request;
  throw new FileProblems([{ file: path, rule: request }]);
}

export async function writeRequestFile(path: string, request: SigningRequest): Promise<void> {
  // Beside it first: the signatures of others are in there.
  await writeFile(`${path}.tmp`, formatSigningRequest(request), { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}
