import { Fault, type Clock } from '@lastcall/kernel';
import { importJWK, type CryptoKey, type JWK } from 'jose';
import { readFile } from 'node:fs/promises';

/*
 * Public keys by their id, from keys.json. A credential with a key that is not known makes it read the file again (at
 * most every few seconds), so that a new key can be handed out while everything runs.
 */

export interface KeySource {
  find(kid: string): Promise<CryptoKey | Uint8Array | undefined>;
}

const REREAD_AFTER_MS = 5_000;

/** Throws a Fault when the file cannot be read: a server without keys could let nobody in. */
export async function createKeySource(file: string, clock: Clock): Promise<KeySource> {
  let keys = await readKeys(file);
  let readAt = clock.now();
  return {
    find: async (kid) => {
      const known = keys.get(kid);
      if (known || clock.now() - readAt < REREAD_AFTER_MS) return known;
      readAt = clock.now();
      keys = await readKeys(file);
      return keys.get(kid);
    },
  };
}

async function readKeys(file: string): Promise<ReadonlyMap<string, CryptoKey | Uint8Array>> {
  try {
    const { keys } = JSON.parse(await readFile(file, 'utf8')) as { keys: readonly JWK[] };
    const entries = await Promise.all(keys.map(async (jwk) => [jwk.kid ?? '', await importJWK(jwk, 'EdDSA')] as const));
    return new Map(entries);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Fault(`the public keys ${file} cannot be read (${why}); "lastcall up" makes them`, { cause });
  }
}
