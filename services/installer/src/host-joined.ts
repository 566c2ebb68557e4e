import { hostRole, outgoing, type OutgoingEvent } from '@lastcall/contracts';
import type { HostDocument } from './documents.js';

/** What the catalog is told of a host: when it joins, when the first version is found on it (else none is named), and when its keys change. */
export function hostJoined(document: HostDocument, installedVersion = ''): OutgoingEvent {
  const { installation, host, role, platform, publicKey, nextPublicKey = '', cutOff = false } = document;
  return outgoing('HostJoined', installation, {
    ...{ installation, host, installedVersion, platform, role: hostRole.toWire(role) },
    publicKey: Buffer.from(publicKey, 'base64'),
    nextPublicKey: Buffer.from(nextPublicKey, 'base64'),
    cutOff,
  });
}
