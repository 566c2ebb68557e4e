import type { catalogV1 } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { CallError, CODE } from '@lastcall/sdk';
import type { Services } from '../connect.js';
import { bytes, count } from '../render/text.js';
import type { Progress } from '../render/progress.js';
import { uploadBlobs, type Blob } from '../publish/upload-blobs.js';
import type { MirrorFolder } from './read-mirror.js';

/* A folder into the catalog of another site. The catalog says what it lacks; what arrived stays, so an interrupted import goes on where it was. */

/** The catalog follows the signatures and looks for every file. */
const IMPORT_TIMEOUT_MS = 10 * 60_000;

/** `root`: SHA-256 of the root to pin; empty for the one that is pinned. */
export async function importMirror(
  { catalog, connection }: Services,
  folder: MirrorFolder,
  { root, channel }: { root: string; channel: string },
  progress: Progress,
): Promise<catalogV1.ImportMirrorResponse> {
  const { index: source } = folder;
  const blob = sha256Hex(source);
  await uploadBlobs(connection, [{ sha256: blob, size: source.byteLength, source }], () => {});
  const uploaded = new Set<string>();
  for (;;) {
    progress.say('verifying signatures and files');
    const answer = await catalog.importMirror({ blob, root, channel }, { timeoutMs: IMPORT_TIMEOUT_MS });
    if (answer.missingBlobs.length === 0) return answer;
    const blobs = await Promise.all(answer.missingBlobs.map((sha256) => find(folder, sha256)));
    if (blobs.every(({ sha256 }) => uploaded.has(sha256))) {
      throw new CallError(CODE.internal, 'the catalog asks for blobs again that it was sent; look into its log');
    }
    const total = blobs.reduce((sum, { size }) => sum + size, 0);
    const bar = progress.bar(`importing ${count(blobs.length, 'file')}`, total, bytes);
    await uploadBlobs(connection, blobs, (sent) => bar.add(sent)).catch(damaged);
    bar.done();
    for (const { sha256 } of blobs) uploaded.add(sha256);
  }
}

async function find(folder: MirrorFolder, sha256: string): Promise<Blob> {
  const blob = await folder.find(sha256);
  if (blob) return blob;
  throw new CallError(CODE.dataLoss, `the folder lacks the file ${sha256} of a release that it carries; export again`);
}

/** The catalog has hashed what came. */
function damaged(error: unknown): never {
  if (!(error instanceof CallError) || error.code !== CODE.invalidArgument) throw error;
  const message = `${error.message}. The folder is damaged, and nothing was imported; delete that file there and export again`;
  throw new CallError(CODE.dataLoss, message, { reason: error.reason }, { cause: error });
}
