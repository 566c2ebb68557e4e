import { catalogV1, identityV1 } from '@lastcall/contracts';
import { bindRpc, type Approvals, type AuditedCall, type RpcBinding, type TokenIssuer } from '@lastcall/runtime';
import type { BlobStore } from './blobs.js';
import type { Documents } from './documents.js';
import type { Publishing } from './publishing.js';
import type { Importing } from './importing.js';
import type { Signing } from './signing.js';
import type { Mirror } from './tuf/mirror.js';
import type { Repository } from './tuf/repository.js';
import { diffReleases } from './rpc/diff.js';
import { installationHandlers } from './rpc/installations.js';
import { productHandlers } from './rpc/products.js';
import { releaseHandlers } from './rpc/releases.js';
import { mirrorHandlers } from './rpc/mirror.js';
import { signingHandlers } from './rpc/signing.js';
import type { KeysMinutes } from './rpc/second-person-for-keys.js';
import { signInHandlers, type SignIn } from './rpc/sign-in.js';
import { tokenHandlers } from './rpc/tokens.js';
import { waveHandlers } from './rpc/waves.js';
import type { Waves } from './waves.js';

/*
 * The gRPC services of the catalog. Each handler: the request as a value, every wrong field at once; then one decision.
 */

export interface RpcParts {
  readonly documents: Documents;
  readonly blobs: BlobStore;
  readonly publishing: Publishing;
  readonly waves: Waves;
  readonly signing: Signing;
  readonly importing: Importing;
  readonly mirror: Mirror;
  readonly repository: Pick<Repository, 'metadata'>;
  readonly issuer: TokenIssuer;
  /** Undefined: people do not sign in. */
  readonly signIn: SignIn | undefined;
  readonly approvals: Approvals;
  readonly keysMinutes: KeysMinutes;
  readonly audit: (call: AuditedCall) => Promise<void>;
  readonly now: () => Promise<number>;
}

export function createRpc(parts: RpcParts): readonly RpcBinding[] {
  return [
    bindRpc(catalogV1.CatalogServiceService, {
      ...productHandlers(parts.documents),
      ...releaseHandlers(parts),
      diffReleases: (request) => diffReleases(parts, request),
      ...installationHandlers(parts),
      ...signingHandlers(parts),
      ...mirrorHandlers(parts),
      getTrustedMetadata: async () => {
        const newest = async (name: string) => (await parts.repository.metadata(name)) ?? Buffer.alloc(0);
        return { root: await newest('root.json'), timestamp: await newest('timestamp.json') };
      },
      ...parts.approvals.handlers,
    }),
    bindRpc(catalogV1.WaveServiceService, waveHandlers(parts)),
    bindRpc(identityV1.TokenServiceService, { ...tokenHandlers(parts), ...signInHandlers(parts) }),
  ];
}
