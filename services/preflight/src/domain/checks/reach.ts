import { serverOf, type Occasion } from '../facts.js';
import type { HostCheck } from './check-module.js';

/** What is to be reached from a host. */
export interface Reach {
  readonly host: string;
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
}

/** Undefined: nothing, or nobody knows where the server is. */
export function reachFrom({ hosts, requirements, serverAddresses }: Occasion, from: string): Reach | undefined {
  const server = serverOf(hosts);
  const ports = requirements?.ports ?? [];
  if (!server || server.host === from || ports.length === 0 || !serverAddresses) return undefined;
  return { host: server.host, addresses: serverAddresses, ports };
}

export const reach: HostCheck = {
  name: 'reach',
  about: 'host',
  passesWhen:
    'on the other hosts: the ports of the release on the server are reached, whether somebody listens yet or not; skipped until the server has said where it is',
  ask: ({ occasion, demands, host, facts }) => {
    if (!demands || demands.ports.length === 0 || host.role === 'server') return [];
    const asked = `TCP ports ${demands.ports.join(', ')} of the server are reached from here`;
    const remedy = 'Let the firewalls between this host and the server pass these ports';
    const target = reachFrom(occasion, host.host);
    if (!target || facts.addresses === undefined) {
      const skip = target ? 'this agent does not try it; update it' : 'the server has not said yet where it is';
      return [{ asked, met: true, found: '', remedy, skip }];
    }
    const answers = target.ports.map((port) => facts.reached?.find((r) => r.host === target.host && r.port === port));
    const lost = answers.filter((a) => a?.reached === false);
    const found = (lost.length > 0 ? lost : answers).map((a) => `${a?.port}: ${a?.found}`).join('; ');
    const met = lost.length > 0 ? false : answers.every((a) => a !== undefined) ? true : undefined;
    return [
      {
        asked,
        met,
        found: met === undefined ? 'not all were tried' : found,
        remedy,
        needs: met === undefined ? [] : ['reached'],
      },
    ];
  },
};
