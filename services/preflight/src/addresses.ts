import type { hostOrderV1 } from '@lastcall/contracts';
import type { RunHost } from '@lastcall/kernel';
import type { Documents } from './documents.js';
import { serverOf, type HostFacts, type Occasion } from './domain/facts.js';

/*
 * Where the hosts are, as they say themselves with each report, for the next one: then the others are asked whether they reach the server.
 */

type Of = Pick<hostOrderV1.HostOrder, 'installation' | 'host'>;

const idOf = ({ installation, host }: Of): string => `${installation}/${host}`;

export async function keepAddresses({ addresses }: Documents, of: Of, { addresses: said }: HostFacts): Promise<void> {
  if (!said || said.length === 0) return;
  await addresses.change<undefined>(idOf(of), (current) => {
    const isSame = current?.addresses.join() === said.join();
    return isSame ? { keep: undefined } : { write: { addresses: said }, result: undefined };
  });
}

export async function serverAddresses(
  { addresses }: Documents,
  installation: string,
  hosts: readonly RunHost[],
): Promise<Pick<Occasion, 'serverAddresses'>> {
  const server = serverOf(hosts);
  const known = server && (await addresses.get(idOf({ installation, host: server.host })));
  return known ? { serverAddresses: known.data.addresses } : {};
}
