import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { ReachFact, ReachTarget } from '../domain/order.js';
import { Interrupted } from '../step-failure.js';

/*
 * Whether the ports of another host can be reached from this one. Nobody has to listen yet: a host that refuses by itself was reached as
 * well; what a firewall throws away, and what has no way, was not. Nothing is sent.
 */

const TIMEOUT_MS = 2_000;
const MOST_ADDRESSES = 16;
const MOST_PORTS = 64;

/** Under which others may reach this host; those that only this link knows are of no use to them. */
export function ownAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const usable = all.filter(({ internal, address }) => !internal && !/^(fe80:|169\.254\.)/i.test(address));
  return usable.map(({ address }) => address).slice(0, MOST_ADDRESSES);
}

export async function reachPorts(
  { host, addresses, ports }: ReachTarget,
  signal: AbortSignal,
): Promise<readonly ReachFact[]> {
  const asked = ports.slice(0, MOST_PORTS).map(async (port): Promise<ReachFact> => {
    const tried = await Promise.all(addresses.slice(0, MOST_ADDRESSES).map((a) => tryToReach(a, port, signal)));
    const best = tried.find((t) => t.reached);
    const found = best?.found ?? (tried.map((t) => t.found).join('; ') || 'it has no address').slice(0, 1_000);
    return { host, port, reached: best !== undefined, found };
  });
  const facts = await Promise.all(asked);
  if (signal.aborted) throw new Interrupted();
  return facts;
}

interface Tried {
  readonly reached: boolean;
  readonly found: string;
}

function tryToReach(host: string, port: number, signal: AbortSignal): Promise<Tried> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const give = (reached: boolean, how: string): void => {
      limit.removeEventListener('abort', onLimit);
      socket.destroy();
      resolve({ reached, found: `${host} ${how}` });
    };
    const onLimit = (): void => give(false, `does not answer within ${TIMEOUT_MS / 1_000} s`);
    limit.addEventListener('abort', onLimit, { once: true });
    socket.once('connect', () => give(true, 'answers'));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNREFUSED' ? give(true, 'refuses by itself') : give(false, error.code ?? error.message),
    );
  });
}
