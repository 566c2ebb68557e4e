/**
 * Times and bounds of the bus. The defaults are right for production; tests shorten them.
 */
export interface BusTuning {
  /** Wait before the second, third… delivery of an event whose handler threw. The last one repeats. */
  readonly retryDelaysMs: readonly number[];
  /**
   * For how long a `Fault` (a dependency is away) is repeated without using up the deliveries, so that a database that
   * restarts does not fill the dead letters with events that were fine.
   */
  readonly faultPatienceMs: number;
  /** Longest wait between two deliveries after a Fault, and between two tries to keep a dead letter. */
  readonly maxDelayMs: number;
  /** Sources whose handlers run at the same time, for each consumer. */
  readonly parallelism: number;
  /** JetStream: unacknowledged events of one consumer, over all processes. Embedded: events held in memory for one. */
  readonly maxUnacknowledged: number;
  /** JetStream: an event whose process died is given to another after this time. Living ones extend it. */
  readonly ackWaitMs: number;
  /** JetStream: how long `publish` waits for the server before it throws a Fault. */
  readonly publishTimeoutMs: number;
  /** JetStream: how long `openBus` tries to reach the server before it throws a Fault. */
  readonly connectTimeoutMs: number;
  /** JetStream: pause between two attempts to reach a server that is away. */
  readonly reconnectWaitMs: number;
  /** Embedded: how long an event stays in the journal after everybody has acknowledged it. */
  readonly keepMs: number;
}

export const DEFAULT_TUNING: BusTuning = {
  retryDelaysMs: [100, 1_000, 5_000, 15_000],
  faultPatienceMs: 120_000,
  maxDelayMs: 2_000,
  parallelism: 32,
  maxUnacknowledged: 512,
  ackWaitMs: 6_000,
  publishTimeoutMs: 5_000,
  connectTimeoutMs: 15_000,
  reconnectWaitMs: 250,
  keepMs: 3_600_000,
};

/** Where the bus says what an operator should know. Fields first, as pino has it. */
export interface BusLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const SILENT: BusLog = { info: () => undefined, warn: () => undefined, error: () => undefined };
