/*
 * What the runtime says about itself: spans and counters. Off is the default and costs nothing, because the OpenTelemetry
 * packages are loaded only when something is configured to receive what they make.
 */

/** W3C trace context as it stands in headers. */
export interface TraceContext {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

export interface SpanSpec {
  readonly name: string;
  readonly kind: 'server' | 'client' | 'producer' | 'consumer';
  /** Of whoever caused it; absent: the active span. */
  readonly parent?: TraceContext;
  readonly attributes?: Readonly<Record<string, string | number>>;
}

export type Attributes = Readonly<Record<string, string>>;

/** Counters by name: `lastcall_{name}_total` on the Prometheus endpoint. */
export const COUNTERS = {
  rpc: 'Calls answered, by method and status code',
  http_requests: 'HTTP requests answered, by route and status',
  events_handled: 'Events taken in, by service and type',
  events_failed: 'Attempts to take in an event that failed, by service and type',
  events_dead_lettered: 'Events given up, by service and type',
  events_published: 'Events published from the outbox, by service and type',
  events_replayed: 'Events published again from the archive because the bus had lost them, by service and type',
  relay_failures: 'Attempts to publish that failed, by service',
  duty_runs: 'Runs of background duties, by service and duty',
  duty_failures: 'Runs of background duties that failed, by service and duty',
  store_writes: 'Writes to the store, by service and kind (document, archive, outbox)',
} as const;

export const GAUGES = {
  outbox_pending: 'Events that wait in the outbox, as far as the relay has looked, by service',
  outbox_age_seconds: 'Age of the oldest event that waits in the outbox, by service; 0: none waits',
  dead_letters: 'Events that wait in the dead letters, by service',
  waves: 'Waves by state (running, stopped, done, aborted)',
  certificate_end_seconds: 'When the certificate of the servers ends, seconds since the epoch; only with TLS',
  certificate_unused:
    'Whether the files of the certificate have changed and cannot be used (1), so that the one from before stays in use; only with TLS',
  state_backup_seconds:
    'When the newest backup was taken that `lastcall up --backup-to FOLDER` takes, seconds since the epoch; 0: none is there',
  state_backup_failed: 'Whether the next of these backups cannot be taken (1)',
  signatures_end_seconds: 'When the first signed metadata ends, seconds since the epoch, by role',
  hosts: 'Hosts by role and whether their agent is connected',
  staging_bytes: 'Bytes that hosts which are downloading still have to download',
  backup_age_seconds:
    'Age of the newest proven backup of the installation for which it is oldest; 0: there is none at all',
  installations_without_backup: 'Installations with a server and without a proven backup of the last 48 hours',
  runs: 'Runs that are under way, by phase',
  run_age_seconds: 'Age of the oldest run that is under way, by phase; 0: none',
  run_overdue_seconds: 'How long the run that is furthest over its deadline is over it; 0: none',
  sessions: 'Users that are attached to this process',
  gates: 'Gates by phase',
  gates_in_alarm: 'Gates that need a person',
  gate_shut_seconds: 'How long the gate is not open that is so for the longest; 0: all are open',
} as const;

/** Histograms by name: `lastcall_{name}` with `_bucket`, `_sum` and `_count`. */
export const HISTOGRAMS = {
  rpc_duration_seconds: 'From a call to its answer, by method; streams are left out',
  event_duration_seconds: 'From handing an event over to its end, by service and type',
  firing_lateness_seconds: 'From the due time of a job to the opening of its run',
} as const;

/** Of the process itself; looked at when the endpoint is read. */
export const PROCESS_GAUGES = {
  event_loop_delay_seconds: 'Longest delay of the event loop in the last one to two minutes',
  memory_bytes: 'Memory of the process, by kind (rss, heap, external)',
} as const;

export type CounterName = keyof typeof COUNTERS;
export type GaugeName = keyof typeof GAUGES;
export type HistogramName = keyof typeof HISTOGRAMS;

export interface Telemetry {
  /** Runs inside a span; an error is recorded and passed on. */
  span<T>(spec: SpanSpec, run: () => Promise<T>): Promise<T>;
  /** Says of the active span that it failed; for failures that are answered, not thrown. */
  fail(error: unknown): void;
  /** Context of the active span, for headers and for events. */
  traceContext(): TraceContext;
  count(name: CounterName, attributes: Attributes): void;
  set(name: GaugeName, value: number, attributes: Attributes): void;
  /** Adds one to a histogram; seconds. */
  measure(name: HistogramName, seconds: number, attributes: Attributes): void;
  /** Sends what is left. */
  stop(): Promise<void>;
}

const NONE: TraceContext = {};

export const noTelemetry: Telemetry = {
  span: (_spec, run) => run(),
  fail: () => undefined,
  traceContext: () => NONE,
  count: () => undefined,
  set: () => undefined,
  measure: () => undefined,
  stop: () => Promise.resolve(),
};

export interface TelemetrySettings {
  readonly telemetry: 'off' | 'otlp';
  readonly metricsAddress: string;
}
