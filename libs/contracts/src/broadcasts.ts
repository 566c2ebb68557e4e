import type { ServiceName } from './events.js';

/*
 * What replicas of one service tell each other at once, beside the events: no stream keeps it, and whoever misses it finds the
 * same in the store. Nobody else says or hears it; the permissions of the services' users on NATS come from here.
 */

export const BROADCASTS = {
  catalog: {},
  scheduler: { runs: 'run-changes' },
  preflight: {},
  session: {
    gates: 'session-gates',
    replaced: 'session-replaced',
    sightings: 'session-sightings',
    sightingsAsked: 'session-sightings-asked',
  },
  installer: { hostOrders: 'installer-host-orders', hostStreams: 'installer-host-streams' },
} as const satisfies Readonly<Record<ServiceName, Readonly<Record<string, string>>>>;

/** Where replicas of a service hear that a credential was revoked. */
export function revocationsTopic(service: ServiceName): string {
  return `tokens-revoked.${service}`;
}

/** All topics of a service. */
export function broadcastsOf(service: ServiceName): readonly string[] {
  return [revocationsTopic(service), ...Object.values(BROADCASTS[service])];
}
