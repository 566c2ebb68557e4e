import { operationsV1, type ServiceName } from '@lastcall/contracts';
import type { Bus } from '@lastcall/bus';
import type { Store } from '@lastcall/store';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Certificates } from '../certificates.js';
import type { DeadLetters } from '../events/dead-letters.js';
import { SERVICE_NAMES } from '../identity/ensure-identity.js';
import { othersThan, type Peer, type Peers } from './peers.js';

/*
 * How the services are. A process knows its own; the others it asks as it would for any other call, so that what stands between
 * two services is seen too. Nothing here waits longer than the three seconds of the contract, and nothing throws: what does not
 * answer is itself the answer.
 */

export interface StateOf {
  readonly name: ServiceName;
  readonly store: Store;
  readonly operations: { readonly deadLetters: DeadLetters };
}

export interface ServiceStatesOptions {
  readonly services: readonly StateOf[];
  readonly bus: Pick<Bus, 'isConnected'>;
  /** Undefined: no TLS. */
  readonly certificates: Pick<Certificates, 'state'> | undefined;
  readonly peers: Peers;
  /** What the program does beside its services; the first of them says it. */
  readonly ofProgram?: () => Partial<operationsV1.ServiceState>;
}

export interface ServiceStates {
  list(ownProcess: boolean): Promise<operationsV1.ServiceState[]>;
}

const WAIT_MS = 3_000;
/** A process that hosts another service's store answers within the time of whoever asked it. */
const STORE_WAIT_MS = 2_000;
const MAX_COUNTED = 1_000;

/** All packages have the same one. */
const { version } = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')) as { version: string };

export function createServiceStates(options: ServiceStatesOptions): ServiceStates {
  const startTime = new Date(performance.timeOrigin);
  const ownState = async (service: StateOf): Promise<operationsV1.ServiceState> => {
    const stored = await storeState(service);
    const now = new Date();
    const certificate = options.certificates?.state();
    return operationsV1.ServiceState.fromPartial({
      service: service.name,
      version,
      startTime,
      clockTime: now,
      askedTime: now,
      busConnected: options.bus.isConnected(),
      ...stored,
      ...(stored.storeTime && { storeTime: new Date(stored.storeTime.getTime() + now.getTime() - stored.at) }),
      ...(certificate?.endsAt && { certificateExpireTime: certificate.endsAt }),
      certificateProblem: certificate?.problem ?? '',
      ...(service === options.services[0] && options.ofProgram?.()),
    });
  };
  return {
    list: async (ownProcess) => {
      const others = ownProcess ? [] : othersThan(options.services);
      const states = await Promise.all([
        ...options.services.map(ownState),
        ...others.map((name) => peerState(name, options.peers(name))),
      ]);
      return states.toSorted((a, b) => placeOf(a.service) - placeOf(b.service));
    },
  };
}

function placeOf(service: string): number {
  return SERVICE_NAMES.findIndex((name) => name === service);
}

interface StoreState {
  /** This machine's clock at `storeTime`. */
  readonly at: number;
  readonly storeTime?: Date;
  readonly storeProblem?: string;
  readonly outboxEvents?: number;
  readonly outboxTime?: Date;
  readonly deadLetters?: bigint;
}

async function storeState({ store, operations }: StateOf): Promise<StoreState> {
  try {
    return await within(STORE_WAIT_MS, async () => {
      const before = Date.now();
      const storeTime = new Date(await store.now());
      const at = (before + Date.now()) / 2;
      const [pending, deadLetters] = await Promise.all([
        store.pendingEvents(MAX_COUNTED),
        operations.deadLetters.count(),
      ]);
      const times = pending.map((event) => event.time);
      const outbox = times.length > 0 && { outboxTime: new Date(Math.min(...times)) };
      return { at, storeTime, outboxEvents: times.length, deadLetters: BigInt(deadLetters), ...outbox };
    });
  } catch (error) {
    return { at: Date.now(), storeProblem: textOf(error) };
  }
}

async function peerState(service: ServiceName, peer: Peer | undefined): Promise<operationsV1.ServiceState> {
  const state = (more: Partial<operationsV1.ServiceState>): operationsV1.ServiceState =>
    operationsV1.ServiceState.fromPartial({ service, ...more });
  if (!peer) {
    const setting = `LASTCALL_${service.toUpperCase()}_ADDRESS`;
    return state({ problem: `the service that was asked has no address of it; set ${setting} there` });
  }
  const { address, client } = peer;
  try {
    const before = Date.now();
    const { serviceStates } = await client.listServiceStates({ ownProcess: true }, { timeoutMs: WAIT_MS });
    const askedTime = new Date((before + Date.now()) / 2);
    const theirs = serviceStates.find((one) => one.service === service);
    return theirs ? { ...theirs, address, askedTime } : state({ address, problem: 'another service answers there' });
  } catch (error) {
    return state({ address, problem: textOf(error) });
  }
}

async function within<T>(ms: number, run: () => Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = delay(ms, undefined, { signal: done.signal }).then(() => {
    throw new Error(`no answer within ${ms / 1_000} s`);
  });
  late.catch(() => undefined);
  return Promise.race([run(), late]).finally(() => done.abort());
}

function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 1_000);
}
