import type { hostEdgeV1 } from '@lastcall/contracts';
import type { Collection } from '@lastcall/store';
import { boundVersion } from './bounds.js';
import { hostIdOf, type HostDocument } from './documents.js';
import type { HostKey } from './orders.js';

/*
 * Which stream of a host counts. It is a lease in the host's document: a replica that died stops counting by itself, and
 * of two streams the one that opened last wins.
 */

export interface Presence {
  /** The stream counts from now on. */
  opened(host: HostKey, stream: string, hello: hostEdgeV1.AgentHello): Promise<void>;
  /** A sign of life. False when another stream counts. */
  renew(host: HostKey, stream: string): Promise<boolean>;
  closed(host: HostKey, stream: string): Promise<void>;
  /** Whether this stream still counts; true when none does. */
  counts(host: HostKey, stream: string): Promise<boolean>;
}

const MAX_PLATFORM_CHARS = 64;

export function createPresence(hosts: Collection<HostDocument>, leaseMs: number): Presence {
  const idOf = ({ installation, host }: HostKey): string => hostIdOf(installation, host);
  return {
    opened: (host, stream, { agentVersion, platform }) =>
      hosts.change(idOf(host), (current, { now }) => {
        if (!current) return { keep: undefined };
        const seen = { agentVersion: boundVersion(agentVersion), platform: platform.slice(0, MAX_PLATFORM_CHARS) };
        const write = { ...current, ...seen, stream, lastSeenAt: now, leaseUntilAt: now + leaseMs };
        return { write, result: undefined };
      }),
    renew: (host, stream) =>
      hosts.change(idOf(host), (current, { now }) => {
        if (!current || (current.stream !== undefined && current.stream !== stream)) return { keep: false };
        return { write: { ...current, stream, lastSeenAt: now, leaseUntilAt: now + leaseMs }, result: true };
      }),
    closed: (host, stream) =>
      hosts.change(idOf(host), (current, { now }) => {
        if (current?.stream !== stream) return { keep: undefined };
        const { stream: _, leaseUntilAt: __, ...rest } = current;
        return { write: { ...rest, lastSeenAt: now }, result: undefined };
      }),
    counts: async (host, stream) => {
      const found = await hosts.get(idOf(host));
      return found !== undefined && (found.data.stream ?? stream) === stream;
    },
  };
}
