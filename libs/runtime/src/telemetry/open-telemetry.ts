import {
  context,
  metrics,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
} from '@opentelemetry/api';
import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import { RejectedError } from '@lastcall/kernel';
import {
  COUNTERS,
  GAUGES,
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
  return createTelemetry(() => sdk.shutdown());
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
    stop,
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
