import type { hostEdgeV1 } from '@lastcall/contracts';
import type { Collection } from '@lastcall/store';
import { hostIdOf, type HostDocument } from './documents.js';
import { hostJoined } from './host-joined.js';
import { withKeyInUse } from './host-keys.js';
import type { HostKey } from './orders.js';

/*
 * Which stream of a host counts. It is a lease in the host's document: a replica that died stops counting by itself, and
 * of two streams the one that opened last wins.
 */

export interface Presence {
  /**
   * The stream counts from now on, and so does the key that it was opened with (SHA-256). False when that is not accepted any more.
   */
  opened(host: HostKey, stream: string, hello: hostEdgeV1.AgentHello, keyFingerprint: string): Promise<boolean>;
  /** A sign of life. False when the stream does not count any more. */
  renew(host: HostKey, stream: string): Promise<boolean>;
  closed(host: HostKey, stream: string): Promise<void>;
  /** Whether this stream still counts: none was opened later, and the host has not joined with another key or been cut off. */
  counts(host: HostKey, stream: string): Promise<boolean>;
}

export function createPresence(hosts: Collection<HostDocument>, leaseMs: number): Presence {
  const idOf = ({ installation, host }: HostKey): string => hostIdOf(installation, host);
  return {
    opened: (host, stream, hello, keyFingerprint) =>
      hosts.change(idOf(host), (found, { now }) => {
        const current = found && withKeyInUse(found, keyFingerprint);
        if (!current) return { keep: false };
        const { agentVersion, platform } = hello;
        const version = current.versionTold ? '' : hello.installedVersion;
        const versionTold = current.versionTold || version !== '';
        const write: HostDocument = {
          ...{ ...current, agentVersion, platform, stream, versionTold },
          ...{ lastSeenAt: now, leaseUntilAt: now + leaseMs },
        };
        const isNews = version !== '' || current !== found;
        return { write, events: isNews ? [hostJoined(write, version)] : [], result: true };
      }),
    renew: (host, stream) =>
      hosts.change(idOf(host), (current, { now }) => {
        if (current?.stream !== stream) return { keep: false };
        return { write: { ...current, lastSeenAt: now, leaseUntilAt: now + leaseMs }, result: true };
      }),
    closed: (host, stream) =>
      hosts.change(idOf(host), (current, { now }) => {
        if (current?.stream !== stream) return { keep: undefined };
        const { stream: _, leaseUntilAt: __, ...rest } = current;
        return { write: { ...rest, lastSeenAt: now }, result: undefined };
      }),
    counts: async (host, stream) => (await hosts.get(idOf(host)))?.data.stream === stream,
  };
}
