import { reject, RejectedError } from '@lastcall/kernel';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openChannel, type Channel } from './channel.js';
import { followTlsFiles, TlsFileError, type ChannelTls } from './tls-files.js';

/*
 * Where the services are and who we are, from the environment or from the data folder of a `lastcall up` on this machine.
 * An application names nothing; an operator on the machine types nothing.
 */

/** Where the services are, and who we are. */
export interface Connection {
  /** `host:port`. */
  readonly address: string;
  /** Reads the credential; for each call. */
  readonly credential: () => string;
  /** Base address of signed metadata and blobs, `http://host:port`; empty when unknown. */
  readonly catalogUrl: string;
  /** What is in the files that the environment names, asked for each connection; absent: plain text. */
  readonly tls?: (() => ChannelTls) | undefined;
}

/** Variables by their names, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_DATA_DIR = './lastcall-data';

/**
 * Finds address and credential: LASTCALL_ADDR, LASTCALL_TOKEN_FILE and LASTCALL_CATALOG_URL, else `endpoints.json` and
 * `operator.token` in LASTCALL_DATA_DIR (default `./lastcall-data`). TLS is used for an address that begins with
 * `https://` and when LASTCALL_TLS_CA_FILE is set. Throws a RejectedError that says what is missing.
 */
export function readConnection(env: Environment = process.env): Connection {
  const { tokenFile, ...connection } = findConnection(env);
  if (!existsSync(tokenFile)) throw new RejectedError(noToken(tokenFile));
  return connection;
}

/** The same, also where the credential is not there yet: an application that runs for weeks reads it again and again. */
export function findConnection(env: Environment): Connection & { readonly tokenFile: string } {
  const dataDir = resolve(env['LASTCALL_DATA_DIR'] || DEFAULT_DATA_DIR);
  const endpoints = readEndpoints(dataDir);
  const address = env['LASTCALL_ADDR'] || endpoints?.grpc;
  const tokenFile = env['LASTCALL_TOKEN_FILE'] || join(dataDir, 'operator.token');
  if (!address) throw new RejectedError(noAddress(dataDir));
  return {
    tokenFile,
    address: address.replace(/^https?:\/\//, '').replace(/\/+$/, ''),
    credential: () => readFileSync(tokenFile, 'utf8').trim(),
    catalogUrl: (env['LASTCALL_CATALOG_URL'] || endpoints?.http || '').replace(/\/+$/, ''),
    tls: readTls(env, address),
  };
}

/** Opens a channel to what `readConnection` finds. A server that only carries sessions on it passes `keepAlive: false`. */
export function openDefaultChannel(env: Environment = process.env, options: { keepAlive?: boolean } = {}): Channel {
  return openChannel({ ...readConnection(env), ...options });
}

function readEndpoints(dataDir: string): { grpc: string; http: string } | undefined {
  try {
    const value = JSON.parse(readFileSync(join(dataDir, 'endpoints.json'), 'utf8')) as { grpc?: string; http?: string };
    return { grpc: value.grpc ?? '', http: value.http ?? '' };
  } catch {
    // No `lastcall up` here, or it is just being written; the variables may still say where.
    return undefined;
  }
}

function readTls(env: Environment, address: string): (() => ChannelTls) | undefined {
  const ca = env['LASTCALL_TLS_CA_FILE'];
  if (!ca && !address.startsWith('https://')) return undefined;
  const [cert, key] = [env['LASTCALL_TLS_CERT_FILE'], env['LASTCALL_TLS_KEY_FILE']];
  try {
    return followTlsFiles({ ca, ...(cert && key && { cert, key }) });
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error;
    const message = `LASTCALL_TLS_${error.field.toUpperCase()}_FILE is ${error.message}.`;
    throw new RejectedError(reject('invalid', 'TLS_FILE_UNUSABLE', message));
  }
}

function noAddress(dataDir: string) {
  return reject(
    'not-found',
    'NO_ADDRESS',
    `Lastcall was not found: LASTCALL_ADDR is not set and ${join(dataDir, 'endpoints.json')} does not exist. ` +
      'Start it with "lastcall up", or set LASTCALL_ADDR (host:port) or LASTCALL_DATA_DIR.',
  );
}

function noToken(file: string) {
  return reject(
    'unauthenticated',
    'NO_CREDENTIAL',
    `There is no credential at ${file}. Set LASTCALL_TOKEN_FILE to a file with one; "lastcall token create" makes them.`,
  );
}
