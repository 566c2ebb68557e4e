import { atToDate, catalogV1 } from '@lastcall/contracts';
import { checkId, isRejected, type Rejected } from '@lastcall/kernel';
import type { Approvals, Prepared, RpcContext, RpcHandlers } from '@lastcall/runtime';
import { isBlobName } from '../blobs.js';
import type { Imported, Importing } from '../importing.js';
import { Wrong } from '../requests.js';
import type { Mirror, MirrorDocument } from '../tuf/mirror.js';
import { forKeys, type KeysMinutes } from './second-person-for-keys.js';

type Handlers = RpcHandlers<typeof catalogV1.CatalogServiceService>;

/** A message has at most 1 MiB; each hash takes 66 bytes. The caller uploads these and asks again. */
const MAX_MISSING = 10_000;
const MAX_NAMES = 1_000;

export interface MirrorParts {
  readonly importing: Importing;
  readonly mirror: Mirror;
  readonly approvals: Approvals;
  readonly keysMinutes: KeysMinutes;
}

export function mirrorHandlers(parts: MirrorParts): Pick<Handlers, 'importMirror' | 'getMirror'> {
  const { importMirror } = catalogV1.CatalogServiceService;
  return {
    importMirror: parts.approvals.guard(importMirror, (request, context) => prepareImport(parts, request, context)),
    getMirror: async () => ({ mirror: mirrorToWire(await parts.mirror.read()) }),
  };
}

async function prepareImport(
  { importing, keysMinutes }: MirrorParts,
  request: catalogV1.ImportMirrorRequest,
  { principal }: RpcContext,
): Promise<Prepared<catalogV1.ImportMirrorResponse> | Rejected> {
  const wrong = new Wrong();
  const { blob, root } = request;
  const channel = request.channel === '' ? 'stable' : request.channel;
  const notHex = { description: 'must be 64 hexadecimal digits in lower case' };
  if (!isBlobName(blob)) wrong.add({ field: 'blob', ...notHex });
  if (root !== '' && !isBlobName(root)) wrong.add({ field: 'root', ...notHex });
  wrong.add(checkId('channel', channel));
  const checked = wrong.rejected() ?? (await importing.check({ blob, root, channel }, principal?.role === 'admin'));
  if (isRejected(checked)) return checked;
  const perform = async (): Promise<catalogV1.ImportMirrorResponse | Rejected> => {
    const done = await checked.perform();
    return isRejected(done) ? done : importToWire(done);
  };
  return { ...forKeys(keysMinutes, checked.pins), perform };
}

function importToWire(done: Imported): catalogV1.ImportMirrorResponse {
  return {
    missingBlobs: done.missing.slice(0, MAX_MISSING),
    mirror: mirrorToWire(done.mirror),
    published: done.published.slice(0, MAX_NAMES),
    withdrawn: done.withdrawn.slice(0, MAX_NAMES),
  };
}

/** A first import that has begun and not ended shows what it has pinned, and nothing else. */
function mirrorToWire(document: MirrorDocument | undefined): catalogV1.Mirror | undefined {
  if (!document) return undefined;
  const { pinnedRoot, head } = document;
  return {
    pinnedRoot,
    rootVersion: BigInt(head?.root.version ?? 0),
    timestampVersion: BigInt(head?.timestamp.version ?? 0),
    expireTime: head ? atToDate(head.expiresAt) : undefined,
    importTime: head ? atToDate(head.importedAt) : undefined,
  };
}
