import type { hostEdgeV1 } from '@lastcall/contracts';
import type { Collection } from '@lastcall/store';
import { hostIdOf, type HostDocument } from './documents.js';
import { hostJoined } from './host-joined.js';
import type { HostKey } from './orders.js';

/*
 * Which stream of a host counts. It is a lease in the host's document: a replica that died stops counting by itself, and
 * of two streams the one that opened last wins.
 */

export interface Presence {
  /** The stream counts from now on. */
  opened(host: HostKey, stream: string, hello: hostEdgeV1.AgentHello): Promise<void>;
  /** A sign of life. False when the stream does not count any more. */
  renew(host: HostKey, stream: string): Promise<boolean>;
  closed(host: HostKey, stream: string): Promise<void>;
  /** Whether this stream still counts: none was opened later, and the host has not joined with another key. */
  counts(host: HostKey, stream: string): Promise<boolean>;
}

export function createPresence(hosts: Collection<HostDocument>, leaseMs: number): Presence {
  const idOf = ({ installation, host }: HostKey): string => hostIdOf(installation, host);
  return {
    opened: (host, stream, hello) =>
      hosts.change(idOf(host), (current, { now }) => {
        if (!current) return { keep: undefined };
        const { agentVersion, platform } = hello;
        const found = current.versionTold ? '' : hello.installedVersion;
        const versionTold = current.versionTold || found !== '';
        const write: HostDocument = {
          ...{ ...current, agentVersion, platform, stream, versionTold },
          ...{ lastSeenAt: now, leaseUntilAt: now + leaseMs },
        };
        return { write, events: found === '' ? [] : [hostJoined(write, found)], result: undefined };
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
