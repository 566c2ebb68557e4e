import { healthV1 } from '@lastcall/contracts';
import { reject } from '@lastcall/kernel';
import { bindRpc, type RpcBinding, type RpcContext } from './service.js';
import type { Timers } from './duties/timers.js';

/*
 * Whether this process can serve: it has started, is not stopping, and its stores and its bus answer. Asked by clusters
 * (grpc.health.v1, /readyz); /healthz, and grpc.health.v1 asked for `alive`, say only that the process lives.
 */

export interface HealthCheck {
  /** `store of catalog`, `bus`. */
  readonly name: string;
  isGood(): boolean;
}

export interface Health {
  /** What stands in the way; empty: ready. */
  problems(): readonly string[];
  /** Said by the process: started, stopping. */
  setRunning(running: boolean): void;
  onChange(listener: () => void): () => void;
}

export function createHealth(checks: () => readonly HealthCheck[]): Health {
  const listeners = new Set<() => void>();
  let running = false;
  return {
    problems: () => [
      ...(running ? [] : ['not started, or stopping']),
      ...checks()
        .filter((check) => !check.isGood())
        .map((check) => `${check.name} does not answer`),
    ],
    setRunning: (next) => {
      running = next;
      for (const listener of listeners) listener();
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

const { ServingStatus } = { ServingStatus: healthV1.HealthCheckResponse_ServingStatus };
/** How soon a watcher hears that a store or the bus went away. */
const LOOK_EVERY_MS = 1_000;

/**
 * Asked for by whoever starts processes anew: it serves as long as this one answers at all, because a store or a bus that is away is
 * no reason to end sessions.
 */
const ALIVE = 'alive';

/** `services`: full names of the gRPC services that this process serves. */
export function bindHealth(health: Health, services: ReadonlySet<string>, timers: Timers): RpcBinding {
  const now = (service: string) =>
    service === ALIVE || health.problems().length === 0 ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  return bindRpc(healthV1.HealthService, {
    check: async ({ service }) => {
      if (isKnown(service)) return { status: now(service) };
      return reject('not-found', 'UNKNOWN_SERVICE', `${service.slice(0, 100)} is not served here.`);
    },
    watch: async function* ({ service }, { signal }: RpcContext) {
      for (let said: number | undefined; !signal.aborted;) {
        const status = isKnown(service) ? now(service) : ServingStatus.SERVICE_UNKNOWN;
        if (status !== said) yield { status };
        said = status;
        await nextLook(health, timers, signal);
      }
    },
  });

  function isKnown(service: string): boolean {
    return service === '' || service === ALIVE || services.has(service);
  }
}

/** Resolves when somebody said something, when it is time to look, or when nobody listens any more. */
function nextLook(health: Health, timers: Timers, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      off();
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const off = health.onChange(done);
    const cancel = timers.after(LOOK_EVERY_MS, done);
    signal.addEventListener('abort', done, { once: true });
  });
}
