import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './programs.mjs';

/*
 * Who calls whom, as the code has it, for the network policies and the routes of the chart to be compared with: every service of the contracts that
 * another one names in its sources.
 */

export const SERVICES = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];
/** Which service serves an area of the contracts: the table of libs/runtime/src/service-clients.ts. */
const SERVED_BY = { catalog: 'catalog', identity: 'catalog', hostEdge: 'installer' };
/** Asks all others how they are, for whoever asks it from outside (ADR 33). */
const ASKS_ALL = 'scheduler';
/** Fetches what a new host has to trust, by HTTP. */
const FETCHES = 'installer';

function sourcesOf(service) {
  const folder = join(ROOT, 'services', service, 'src');
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.ts') && !/spec\.ts$|(^|\/)(testing|simulation)\//.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8'));
}

/** `scheduler → session:7421`, sorted. */
export function arrowsOfTheCode() {
  const arrows = new Set();
  for (const caller of SERVICES) {
    for (const text of sourcesOf(caller)) {
      for (const [, area] of text.matchAll(/\b([a-zA-Z]+)V1\.\w+ServiceService\b/g)) {
        const callee = SERVED_BY[area] ?? area;
        if (callee !== caller && SERVICES.includes(callee)) arrows.add(`${caller} → ${callee}:7421`);
      }
    }
  }
  for (const callee of SERVICES) if (callee !== ASKS_ALL) arrows.add(`${ASKS_ALL} → ${callee}:7421`);
  arrows.add(`${FETCHES} → catalog:7420`);
  return [...arrows].toSorted();
}

const COMPONENT = 'app.kubernetes.io/component';
const isPolicy = ({ kind, spec }, side) => kind === 'NetworkPolicy' && spec[side] !== undefined;

/** What both ends of the policies let through between the five, sorted; ports by their numbers. */
export function arrowsOfThePolicies(objects) {
  const ports = { grpc: 7421, http: 7420 };
  const side = (direction, peers, arrow) =>
    new Set(
      objects
        .filter((object) => isPolicy(object, direction))
        .flatMap(({ spec }) => {
          const own = spec.podSelector.matchLabels?.[COMPONENT];
          return spec[direction].flatMap((rule) =>
            (rule[peers] ?? []).flatMap((peer) =>
              (rule.ports ?? []).map(({ port }) =>
                arrow(own, peer.podSelector?.matchLabels?.[COMPONENT], ports[port] ?? port),
              ),
            ),
          );
        }),
    );
  const out = side('egress', 'to', (own, other, port) => `${own} → ${other}:${port}`);
  const into = side('ingress', 'from', (own, other, port) => `${other} → ${own}:${port}`);
  const between = (arrow) => SERVICES.some((a) => SERVICES.some((b) => arrow.startsWith(`${a} → ${b}:`)));
  return { out: [...out].filter(between).toSorted(), into: [...into].filter(between).toSorted() };
}

/** Full names of gRPC services that somebody outside may call: all of the contracts. */
export function servicesOfTheContracts() {
  const folder = join(ROOT, 'proto/lastcall');
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.proto'))
    .flatMap((file) => {
      const text = readFileSync(join(folder, file), 'utf8');
      const area = /^package (\S+);/m.exec(text)?.[1];
      return [...text.matchAll(/^service (\w+) \{/gm)].map(([, name]) => `${area}.${name}`);
    })
    .toSorted();
}

/** `/blobs`, `/packs`, `/tuf`: first parts of the HTTP routes in the table of permissions. */
export function pathsOfTheCatalog() {
  const table = readFileSync(join(ROOT, 'libs/contracts/src/permissions.ts'), 'utf8');
  return [...new Set([...table.matchAll(/'(?:GET|PUT|POST) (\/[a-z]+)\/\*'/g)].map(([, path]) => path))].toSorted();
}
