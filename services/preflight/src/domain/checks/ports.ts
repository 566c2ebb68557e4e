import type { HostCheck } from './check-module.js';

export const ports: HostCheck = {
  name: 'ports',
  about: 'host',
  passesWhen: 'on the server: the TCP ports of the release are free, or used by the application itself',
  ask: ({ demands, host, facts }) => {
    if (!demands || host.role !== 'server' || demands.ports.length === 0) return [];
    const known = new Map((facts.ports ?? []).map((p) => [p.port, p.usable]));
    const taken = demands.ports.filter((port) => known.get(port) === false);
    const unsure = demands.ports.some((port) => !known.has(port));
    return [
      {
        asked: `TCP ports ${demands.ports.join(', ')} are free, or used by the application itself`,
        needs: ['ports'],
        met: taken.length > 0 ? false : unsure ? undefined : true,
        found: taken.length > 0 ? `${taken.join(', ')} in use by another program` : 'free',
        remedy: 'Stop the program that uses the port',
      },
    ];
  },
};
