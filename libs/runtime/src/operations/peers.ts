import type { operationsV1, ServiceName } from '@lastcall/contracts';
import { Fault, reject, RejectedError, type Rejected } from '@lastcall/kernel';
import type { UnaryClient } from '@lastcall/sdk';
import { asCalledService } from '../called-service.js';
import { SERVICE_NAMES } from '../identity/ensure-identity.js';

/*
 * The other services, as the process that is asked asks them: at the addresses, with the credential and over the way of every other call.
 */

export interface Peer {
  /** `host:port`. */
  readonly address: string;
  readonly client: UnaryClient<typeof operationsV1.OperationsServiceService>;
}

/** Undefined: no address of it is set. */
export type Peers = (service: ServiceName) => Peer | undefined;

export function othersThan(own: readonly { readonly name: ServiceName }[]): readonly ServiceName[] {
  return SERVICE_NAMES.filter((name) => !own.some((one) => one.name === name));
}

/** What that service answers. Refuses when it does not, so that no list lacks something in silence. */
export async function askPeer<T>(
  service: ServiceName,
  peers: Peers,
  ask: (client: Peer['client']) => Promise<T>,
): Promise<T | Rejected> {
  const peer = peers(service);
  if (!peer) {
    const setting = `LASTCALL_${service.toUpperCase()}_ADDRESS`;
    return away(service, `the service that was asked has no address of ${service}; set ${setting} there`);
  }
  try {
    return await ask(asCalledService(peer.client));
  } catch (error) {
    if (error instanceof RejectedError) return error.rejected;
    if (!(error instanceof Fault)) throw error;
    return away(service, `${service} cannot be asked at ${peer.address}: ${error.message}`);
  }
}

function away(service: ServiceName, why: string): Rejected {
  const message = `${why.slice(0, 1_000)}. Nothing is shown in part: name one of the others (--service), and see "lastcall doctor"`;
  return reject('refused', 'SERVICE_AWAY', message, { facts: { service } });
}
