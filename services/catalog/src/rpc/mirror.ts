import { atToDate, type catalogV1 } from '@lastcall/contracts';
import { checkId, isRejected } from '@lastcall/kernel';
import type { RpcHandlers } from '@lastcall/runtime';
import { isBlobName } from '../blobs.js';
import type { Importing } from '../importing.js';
import { Wrong } from '../requests.js';
import type { Mirror, MirrorDocument } from '../tuf/mirror.js';

type Handlers = RpcHandlers<typeof catalogV1.CatalogServiceService>;

/** A message has at most 1 MiB; each hash takes 66 bytes. The caller uploads these and asks again. */
const MAX_MISSING = 10_000;
const MAX_NAMES = 1_000;

export function mirrorHandlers(importing: Importing, mirror: Mirror): Pick<Handlers, 'importMirror' | 'getMirror'> {
  return {
    importMirror: async (request, { principal }) => {
      const wrong = new Wrong();
      const { blob, root } = request;
      const channel = request.channel === '' ? 'stable' : request.channel;
      const notHex = { description: 'must be 64 hexadecimal digits in lower case' };
      if (!isBlobName(blob)) wrong.add({ field: 'blob', ...notHex });
      if (root !== '' && !isBlobName(root)) wrong.add({ field: 'root', ...notHex });
      wrong.add(checkId('channel', channel));
      const done = wrong.rejected() ?? (await importing.import({ blob, root, channel }, principal?.role === 'admin'));
      if (isRejected(done)) return done;
      return {
        missingBlobs: done.missing.slice(0, MAX_MISSING),
        mirror: mirrorToWire(done.mirror),
        published: done.published.slice(0, MAX_NAMES),
        withdrawn: done.withdrawn.slice(0, MAX_NAMES),
      };
    },
    getMirror: async () => ({ mirror: mirrorToWire(await mirror.read()) }),
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
