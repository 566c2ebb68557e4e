import { catalogV1, formatName } from '@lastcall/contracts';
import { Fault, reject, RejectedError, type Rejected } from '@lastcall/kernel';
import type { ServiceContext } from '@lastcall/runtime';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/*
 * What the installer asks the catalog: the product of an installation, and the root of trust that a new host pins.
 */

export interface Catalog {
  productOf(installation: string): Promise<string | Rejected>;
  /** TUF root metadata, JSON bytes. */
  trustedRoot(): Promise<Buffer>;
}

const FETCH_TIMEOUT_MS = 5_000;
const MAX_ROOT_BYTES = 512 * 1024;

export function createCatalog(context: ServiceContext<object>): Catalog {
  const { catalogUrl, identityDir } = context;
  const catalog = context.client(catalogV1.CatalogServiceService);
  return {
    productOf: async (installation) => {
      const name = formatName('installation', { installation });
      const found = await catalog.getInstallation({ name }).catch((cause: unknown) => {
        if (cause instanceof RejectedError && cause.rejected.code === 'not-found') return undefined;
        throw cause;
      });
      return found?.installation?.product ?? noInstallation(name);
    },
    // The newest, each time: a catalog that has become the mirror of another one has another. An agent follows the chain from there by itself.
    trustedRoot: () => fetchRoot(catalogUrl, identityDir),
  };
}

function noInstallation(name: string): Rejected {
  return reject('not-found', 'INSTALLATION_NOT_FOUND', `there is no ${name}; add it: lastcall installation add`, {
    facts: { name },
  });
}

async function fetchRoot(catalogUrl: string, identityDir: string): Promise<Buffer> {
  const url = `${catalogUrl.replace(/\/+$/, '')}/tuf/root.json`;
  try {
    const credential = (await readFile(join(identityDir, 'installer.token'), 'utf8')).trim();
    const headers = { authorization: `Bearer ${credential}` };
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    if (bytes.length > MAX_ROOT_BYTES) throw new Error(`${bytes.length} bytes are too many for root metadata`);
    return bytes;
  } catch (cause) {
    throw new Fault(`the catalog does not give its root of trust (${url})`, { cause });
  }
}
