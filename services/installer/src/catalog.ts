import { catalogV1, formatName } from '@lastcall/contracts';
import { Fault, reject, RejectedError, type Rejected } from '@lastcall/kernel';
import type { ServiceContext } from '@lastcall/runtime';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstallerSettings } from './settings.js';

/*
 * What the installer asks the catalog: the product of an installation, and what a new host begins to trust with.
 */

export interface Catalog {
  productOf(installation: string): Promise<string | Rejected>;
  /** TUF root metadata, JSON bytes. */
  trustedRoot(): Promise<Buffer>;
  /** The newest TUF timestamp, JSON bytes; empty while there is none. */
  newestTimestamp(): Promise<Buffer>;
}

const FETCH_TIMEOUT_MS = 5_000;
const MAX_ROOT_BYTES = 512 * 1024;
/** As much as an agent reads. */
const MAX_TIMESTAMP_BYTES = 16_384;

export function createCatalog(context: ServiceContext<InstallerSettings>): Catalog {
  const fetchMetadata = (name: string, maxBytes: number) => fetchFile(context, `tuf/${name}`, maxBytes);
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
    trustedRoot: async () => {
      const root = await fetchMetadata('root.json', MAX_ROOT_BYTES);
      if (!root) throw new Fault('the catalog has no root of trust yet; ask again in a moment');
      return root;
    },
    newestTimestamp: async () => (await fetchMetadata('timestamp.json', MAX_TIMESTAMP_BYTES)) ?? Buffer.alloc(0),
  };
}

function noInstallation(name: string): Rejected {
  return reject('not-found', 'INSTALLATION_NOT_FOUND', `there is no ${name}; add it: lastcall installation add`, {
    facts: { name },
  });
}

/** Undefined: the catalog does not have it. */
async function fetchFile(
  { catalogUrl, identityDir, settings }: ServiceContext<InstallerSettings>,
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const url = `${(settings.catalogInsideUrl || catalogUrl).replace(/\/+$/, '')}/${path}`;
  try {
    const credential = (await readFile(join(identityDir, 'installer.token'), 'utf8')).trim();
    const headers = { authorization: `Bearer ${credential}` };
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    if (bytes.length > maxBytes) throw new Error(`${bytes.length} bytes are too many; ${maxBytes} are allowed`);
    return bytes;
  } catch (cause) {
    throw new Fault(`the catalog does not give what a new host has to trust (${url})`, { cause });
  }
}
