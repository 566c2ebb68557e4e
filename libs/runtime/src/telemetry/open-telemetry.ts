import {
  context,
  metrics,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Meter,
  type Span,
} from '@opentelemetry/api';
import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import { RejectedError } from '@lastcall/kernel';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import {
  COUNTERS,
  GAUGES,
  HISTOGRAMS,
  PROCESS_GAUGES,
  type SpanSpec,
  type Telemetry,
  type TelemetrySettings,
  type TraceContext,
} from './telemetry.js';

/*
 * Telemetry by OpenTelemetry. Loaded by `loadTelemetry` only; nothing else in this package may import it.
 */

const KINDS = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;

export async function startOpenTelemetry(settings: TelemetrySettings, serviceName: string): Promise<Telemetry> {
  const { NodeSDK } = await import('@opentelemetry/sdk-node');
  const prometheus = await prometheusExporter(settings.metricsAddress);
  const configuration: Partial<NodeSDKConfiguration> = {
    serviceName,
    autoDetectResources: false,
    instrumentations: [],
    logRecordProcessors: [],
    metricReaders: prometheus ? [prometheus] : [],
    ...(settings.telemetry === 'otlp' ? { traceExporter: await otlpExporter() } : { spanProcessors: [] }),
  };
  const sdk = new NodeSDK(configuration);
  sdk.start();
  await prometheus?.startServer();
  return createTelemetry(async () => {
    await sdk.shutdown();
    // Only the first ones to be set count: the next start of this process would be heard by nobody.
    for (const api of [trace, metrics, propagation, context]) api.disable();
  });
}

async function prometheusExporter(address: string) {
  if (address === '') return undefined;
  const { PrometheusExporter } = await import('@opentelemetry/exporter-prometheus');
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  return new PrometheusExporter({ host, port: Number(address.slice(colon + 1)), preventServerStart: true });
}

async function otlpExporter() {
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-grpc');
  return new OTLPTraceExporter();
}

function createTelemetry(stop: () => Promise<void>): Telemetry {
  const tracer = trace.getTracer('lastcall');
  const meter = metrics.getMeter('lastcall');
  const entries = Object.entries(COUNTERS);
  const counters = new Map(
    entries.map(([name, description]) => [name, meter.createCounter(`lastcall_${name}`, { description })]),
  );
  const gauges = new Map(
    Object.entries(GAUGES).map(([name, description]) => [name, meter.createGauge(`lastcall_${name}`, { description })]),
  );
  const advice = { explicitBucketBoundaries: BOUNDARIES_SECONDS };
  const histograms = new Map(
    Object.entries(HISTOGRAMS).map(([name, description]) => [
      name,
      meter.createHistogram(`lastcall_${name}`, { description, advice }),
    ]),
  );
  const loop = observeProcess(meter);
  return {
    span: (spec, run) =>
      tracer.startActiveSpan(spec.name, spanOptions(spec), parentOf(spec), async (span) => {
        try {
          return await run();
        } catch (error) {
          markFailed(span, error);
          throw error;
        } finally {
          span.end();
        }
      }),
    fail: (error) => {
      const span = trace.getActiveSpan();
      if (span) markFailed(span, error);
    },
    traceContext: () => {
      const carrier: Record<string, string> = {};
      propagation.inject(context.active(), carrier);
      return contextOf(carrier);
    },
    count: (name, attributes) => counters.get(name)?.add(1, attributes),
    set: (name, value, attributes) => gauges.get(name)?.record(value, attributes),
    measure: (name, seconds, attributes) => histograms.get(name)?.record(seconds, attributes),
    stop: async () => {
      loop.disable();
      await stop();
    },
  };
}

/** From a call within the process to a firing that waited for a machine to come back. */
const BOUNDARIES_SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 60, 600, 3_600];

const REMEMBERED_MS = 60_000;

/** Not since it was read last: the reading that a standstill keeps waiting is given up, and would take the standstill with it. */
function observeProcess(meter: Meter): { disable(): void } {
  const loop = monitorEventLoopDelay({ resolution: 20 });
  loop.enable();
  let before = 0;
  const forget = setInterval(() => {
    before = loop.max;
    loop.reset();
  }, REMEMBERED_MS).unref();
  const gauge = (name: keyof typeof PROCESS_GAUGES) =>
    meter.createObservableGauge(`lastcall_${name}`, { description: PROCESS_GAUGES[name] });
  gauge('event_loop_delay_seconds').addCallback((result) => {
    result.observe(Math.max(before, loop.max) / 1e9);
  });
  gauge('memory_bytes').addCallback((result) => {
    const { rss, heapUsed, external } = process.memoryUsage();
    result.observe(rss, { kind: 'rss' });
    result.observe(heapUsed, { kind: 'heap' });
    result.observe(external, { kind: 'external' });
  });
  return {
    disable: () => {
      clearInterval(forget);
      loop.disable();
    },
  };
}

/** A refusal is an answer, not a failure. */
function markFailed(span: Span, error: unknown): void {
  if (error instanceof RejectedError) return;
  span.recordException(error instanceof Error ? error : String(error));
  span.setStatus({ code: SpanStatusCode.ERROR });
}

function spanOptions({ kind, attributes }: SpanSpec) {
  return { kind: KINDS[kind], ...(attributes && { attributes }) };
}

function parentOf({ parent }: SpanSpec): Context {
  return parent === undefined ? context.active() : propagation.extract(context.active(), parent);
}

function contextOf({ traceparent, tracestate }: Record<string, string>): TraceContext {
  return { ...(traceparent && { traceparent }), ...(tracestate && { tracestate }) };
}
