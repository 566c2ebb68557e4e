import { catalogV1, formatName } from '@lastcall/contracts';
import { Fault, reject, RejectedError, type Rejected } from '@lastcall/kernel';
import type { ServiceContext } from '@lastcall/runtime';
import { CODE, CallError, type ChannelTls } from '@lastcall/sdk';
import { readFile } from 'node:fs/promises';
import * as http from 'node:http';
import * as https from 'node:https';
import { join } from 'node:path';
import type { InstallerSettings } from './settings.js';

/*
 * What the installer asks the catalog: the product of an installation, and what a new host begins to trust with.
 */

export interface Catalog {
  productOf(installation: string): Promise<string | Rejected>;
  /** The newest of each, each time: a catalog that has become the mirror of another one has another root. An agent follows the chain by itself. */
  trust(): Promise<Trust>;
}

/** JSON bytes. */
export interface Trust {
  readonly root: Buffer;
  /** Empty while there is none. */
  readonly timestamp: Buffer;
}

const FETCH_TIMEOUT_MS = 5_000;
const MAX_ROOT_BYTES = 512 * 1024;
/** As much as an agent reads. */
const MAX_TIMESTAMP_BYTES = 16_384;

export function createCatalog(context: ServiceContext<InstallerSettings>): Catalog {
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
    trust: async () => {
      const trust = await catalog.getTrustedMetadata({}).catch((error: unknown) => {
        if (isOlder(error)) return fetchTrust(context);
        throw error;
      });
      if (trust.root.byteLength === 0) throw new Fault('the catalog has no root of trust yet; ask again in a moment');
      return { root: Buffer.from(trust.root), timestamp: Buffer.from(trust.timestamp) };
    },
  };
}

/** The catalog is of the release before, which gives it over HTTP only. */
function isOlder(error: unknown): boolean {
  const cause: unknown = error instanceof Fault ? error.cause : undefined;
  return cause instanceof CallError && cause.code === CODE.unimplemented;
}

async function fetchTrust(context: ServiceContext<InstallerSettings>): Promise<Trust> {
  const fetched = async (name: string, maxBytes: number): Promise<Buffer> =>
    (await fetchFile(context, `tuf/${name}`, maxBytes)) ?? Buffer.alloc(0);
  return {
    root: await fetched('root.json', MAX_ROOT_BYTES),
    timestamp: await fetched('timestamp.json', MAX_TIMESTAMP_BYTES),
  };
}

function noInstallation(name: string): Rejected {
  return reject('not-found', 'INSTALLATION_NOT_FOUND', `there is no ${name}; add it: lastcall installation add`, {
    facts: { name },
  });
}

/** Undefined: the catalog does not have it. */
async function fetchFile(
  { catalogUrl, identityDir, settings, tls }: ServiceContext<InstallerSettings>,
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const url = `${(settings.catalogInsideUrl || catalogUrl).replace(/\/+$/, '')}/${path}`;
  try {
    const credential = (await readFile(join(identityDir, 'installer.token'), 'utf8')).trim();
    const { status, bytes } = await get(url, { authorization: `Bearer ${credential}` }, tls?.() ?? {}, maxBytes);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`HTTP ${status}`);
    return bytes;
  } catch (cause) {
    throw new Fault(`the catalog does not give what a new host has to trust (${url})`, { cause });
  }
}

interface Answer {
  readonly status: number;
  readonly bytes: Buffer;
}

/** No `fetch`, which shows no certificate: where services have some, this one's credential counts only with its own. */
function get(
  url: string,
  headers: Readonly<Record<string, string>>,
  tls: ChannelTls,
  maxBytes: number,
): Promise<Answer> {
  const web = url.startsWith('https:') ? https : http;
  const options = { headers, agent: false, signal: AbortSignal.timeout(FETCH_TIMEOUT_MS), ...tls };
  return new Promise((resolve, reject) => {
    const call = web.get(url, options, (response) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on('data', (part: Buffer) => {
        length += part.length;
        if (length > maxBytes) call.destroy(new Error(`more than ${maxBytes} bytes are too many`));
        else parts.push(part);
      });
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, bytes: Buffer.concat(parts) }));
    });
    call.once('error', reject);
  });
}
