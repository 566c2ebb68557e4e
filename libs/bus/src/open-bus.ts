import { systemClock, type Clock } from '@lastcall/kernel';
import { EmbeddedBus } from './embedded/embedded-bus.js';
import type { Bus } from './port.js';
import { DEFAULT_TUNING, SILENT, type BusLog, type BusTuning } from './tuning.js';

export interface BusOptions {
  /** `''` for the embedded bus, otherwise one or more servers, `nats://host:port,nats://host:port`. */
  readonly url: string;
  /** Journal of the embedded bus; not used with NATS. */
  readonly file: string;
  /** First token of every subject and name of the stream; keeps systems on one server apart. */
  readonly prefix: string;
  readonly log?: BusLog;
  /** Copies of each event that the NATS servers keep, 1, 3 or 5; 3 in production. Without it a new stream has one. */
  readonly replicas?: number;
  readonly tuning?: Partial<BusTuning>;
  readonly clock?: Clock;
}

/** Opens the bus that the URL asks for. Resolves when it can publish; throws a Fault when it cannot be reached. */
export async function openBus(options: BusOptions): Promise<Bus> {
  const log = options.log ?? SILENT;
  const clock = options.clock ?? systemClock;
  const tuning = { ...DEFAULT_TUNING, ...options.tuning };
  if (options.url === '') return new EmbeddedBus({ file: options.file, tuning, log, clock });
  // Loaded only when it is used: the client for NATS costs start-up time and memory.
  const { JetStreamBus } = await import('./jetstream/jetstream-bus.js');
  const { url, prefix, replicas } = options;
  return JetStreamBus.open({ url, prefix, replicas, tuning, log });
}
