import { formatName, type hostEdgeV1 } from '@lastcall/contracts';
import { checkText, collect, invalid, isRejected, MINUTE_MS, reject, sha256Hex, type Rejected } from '@lastcall/kernel';
import { nameOf } from '@lastcall/runtime';
import type { Collection } from '@lastcall/store';
import { acceptedKeys, hostIdOf, type HostDocument } from './documents.js';
import { hostJoined } from './host-joined.js';
import type { HostKey } from './orders.js';

/*
 * The keys of a host after it has joined. One follows the other in two steps, so that a crash of either side leaves one that works: the host says the next
 * one, both are accepted, and the first stream that is opened with it makes it the only one. An operator can end both at once.
 */

export interface HostKeys {
  rotate(host: HostKey, publicKey: Uint8Array): Promise<hostEdgeV1.RotateKeyResponse | Rejected>;
  /** Answers the host as it is then. */
  cutOff(request: { readonly name: string; readonly reason: string }): Promise<HostDocument | Rejected>;
}

export interface HostKeysOptions {
  readonly hosts: Collection<HostDocument>;
  /** Its stream has to end. */
  readonly onCutOff: (host: HostKey) => Promise<void>;
}

export const KEY_BYTES = 32;
const MIN_BETWEEN_MS = MINUTE_MS;
const MAX_REASON_CHARS = 1_000;

export function createHostKeys(options: HostKeysOptions): HostKeys {
  return {
    rotate: (host, publicKey) => rotate(options, host, publicKey),
    cutOff: (request) => cutOff(options, request),
  };
}

export function checkKey(key: Uint8Array) {
  if (key.length === KEY_BYTES) return undefined;
  return { field: 'public_key', description: `has ${key.length} bytes; an Ed25519 key has ${KEY_BYTES}` };
}

async function rotate(
  { hosts }: HostKeysOptions,
  { installation, host }: HostKey,
  publicKey: Uint8Array,
): Promise<hostEdgeV1.RotateKeyResponse | Rejected> {
  const wrong = collect(checkKey(publicKey));
  if (wrong.length > 0) return invalid(wrong);
  const next = Buffer.from(publicKey).toString('base64');
  return hosts.change<hostEdgeV1.RotateKeyResponse | Rejected>(hostIdOf(installation, host), (current, { now }) => {
    if (!current) return { keep: unknownHost(formatName('host', { installation, host })) };
    if (acceptedKeys(current).includes(next)) return { keep: {} };
    if (current.cutOff) return { keep: keyCutOff() };
    if (now - (current.rotatedAt ?? 0) < MIN_BETWEEN_MS) return { keep: justRotated() };
    const write: HostDocument = { ...current, nextPublicKey: next, rotatedAt: now };
    return { write, events: [hostJoined(write)], result: {} };
  });
}

async function cutOff(
  { hosts, onCutOff }: HostKeysOptions,
  { name, reason }: { readonly name: string; readonly reason: string },
): Promise<HostDocument | Rejected> {
  const id = nameOf('host', name);
  const wrong = collect(checkText('reason', reason, { min: 1, max: MAX_REASON_CHARS, lines: false }));
  if (isRejected(id)) return id;
  if (wrong.length > 0) return invalid(wrong);
  const result = await hosts.change<HostDocument | undefined>(hostIdOf(id.installation, id.host), (current) => {
    if (!current || current.cutOff) return { keep: current };
    const { stream: _, leaseUntilAt: __, ...rest } = current;
    const write: HostDocument = { ...rest, cutOff: true };
    return { write, events: [hostJoined(write)], result: write };
  });
  if (!result) return unknownHost(name);
  await onCutOff(id);
  return result;
}

/** The host as it is when a stream is opened with this key. Undefined: the key is not accepted any more. */
export function withKeyInUse(document: HostDocument, fingerprint: string): HostDocument | undefined {
  const used = acceptedKeys(document).find((key) => fingerprintOf(key) === fingerprint);
  if (used === undefined) return undefined;
  if (used === document.publicKey) return document;
  const { nextPublicKey: _, ...rest } = document;
  return { ...rest, publicKey: used };
}

/** Of a key in base64: one that was ended by an operator. */
export function isCutOffKey(document: HostDocument | undefined, key: string): boolean {
  return document?.cutOff === true && [document.publicKey, document.nextPublicKey].includes(key);
}

/** Of a key in base64. */
export function fingerprintOf(key: string): string {
  return sha256Hex(Buffer.from(key, 'base64'));
}

export function unknownHost(name: string): Rejected {
  return reject('not-found', 'NOT_FOUND', `there is no host ${name}; hosts are listed by: lastcall host list`, {
    facts: { name },
  });
}

export function keyCutOff(): Rejected {
  const message =
    'This key was cut off by an operator. Let the agent join with another one: lastcall-agent join --new-key, with a new token.';
  return reject('refused', 'KEY_CUT_OFF', message);
}

function justRotated(): Rejected {
  return reject('too-many', 'KEY_JUST_ROTATED', 'this host has said its next key less than a minute ago; wait');
}
