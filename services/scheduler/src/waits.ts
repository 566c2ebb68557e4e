import { dateToAt, formatName, installerV1, sessionV1 } from '@lastcall/contracts';
import type { ServiceContext } from '@lastcall/runtime';
import type { RunDocument } from './documents.js';
import { waitingFor, type Seen, type SeenHost, type Waiting } from './domain/waiting-for.js';
import type { SchedulerSettings } from './settings.js';

/*
 * What a run waits for, with what the session service and the installer know at this moment. Neither is needed: when one does not
 * answer within a second, the sentence says less.
 */

export interface Waits {
  /** Undefined for a run that has ended. */
  of(document: RunDocument): Promise<Waiting | undefined>;
}

const TIMEOUT_MS = 1_000;

export function createWaits(context: Pick<ServiceContext<SchedulerSettings>, 'client' | 'store'>): Waits {
  return {
    of: async ({ installation, state }) => {
      switch (state.phase) {
        case 'none':
        case 'ended':
          return undefined;
        case 'draining':
          return waitingFor(state, await seenInside(context, installation), await context.store.now());
        case 'staging':
        case 'installing':
          return waitingFor(state, await seenHosts(context, installation, state.spec.run), await context.store.now());
        default:
          return waitingFor(state, {}, await context.store.now());
      }
    },
  };
}

type Clients = Pick<ServiceContext<SchedulerSettings>, 'client'>;

async function seenInside(context: Clients, installation: string): Promise<Seen> {
  const client = context.client(sessionV1.SessionServiceService);
  const [count, gate] = await Promise.allSettled([
    client.countSessions({ parent: formatName('installation', { installation }) }, { timeoutMs: TIMEOUT_MS }),
    client.getGate({ name: formatName('gate', { installation }) }, { timeoutMs: TIMEOUT_MS }),
  ]);
  const logoffAt = gate.status === 'fulfilled' ? dateToAt(gate.value.gate?.notice?.deadline) : undefined;
  return {
    ...(count.status === 'fulfilled' && { inside: count.value.count }),
    ...(logoffAt !== undefined && { logoffAt }),
  };
}

async function seenHosts(context: Clients, installation: string, run: string): Promise<Seen> {
  const client = context.client(installerV1.InstallerServiceService);
  try {
    const { plan } = await client.getPlan(
      { name: formatName('plan', { installation, run }) },
      { timeoutMs: TIMEOUT_MS },
    );
    return plan ? { hosts: plan.tasks.map(hostFromWire) } : {};
  } catch {
    // What is not known is not said.
    return {};
  }
}

function hostFromWire({ host, state, progress }: installerV1.HostTask): SeenHost {
  const { step = '', done = 0n, total = 0n } = progress ?? {};
  return { host, state, step, done: Number(done), total: Number(total) };
}
