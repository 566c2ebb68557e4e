import { hostRole, outgoing, type OutgoingEvent } from '@lastcall/contracts';
import type { HostDocument } from './documents.js';

/** What the catalog is told of a host: when it joins, and when the first version is found on it. */
export function hostJoined(document: HostDocument, installedVersion: string): OutgoingEvent {
  const { installation, host, role, platform, publicKey } = document;
  return outgoing('HostJoined', installation, {
    ...{ installation, host, installedVersion, platform, role: hostRole.toWire(role) },
    publicKey: Buffer.from(publicKey, 'base64'),
  });
}
