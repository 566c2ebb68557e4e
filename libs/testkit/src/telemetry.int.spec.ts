import { identityV1 } from '@lastcall/contracts';
import { findFreePorts } from './free-ports.js';
import { createSmallCatalog } from './small-catalog.js';
import { startStack, type Stack } from './stack.js';
import { startTraceCollector, type TraceCollector } from './trace-collector.js';
import { until } from './until.js';

describe('telemetry that is configured', () => {
  let stack: Stack;
  let collector: TraceCollector;
  let metricsUrl: string;

  beforeAll(async () => {
    collector = await startTraceCollector();
    process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = collector.url;
    const [port] = await findFreePorts(1);
    metricsUrl = `http://127.0.0.1:${port}/metrics`;
    const settings = { telemetry: 'otlp', metricsAddress: `127.0.0.1:${port}` };
    stack = await startStack({ modules: [createSmallCatalog()], settings });
  });
  afterAll(async () => {
    await stack.stop();
    delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
    await collector.stop();
  });

  it('carries the trace of a call into the events that it leads to, counts, and sends spans at the end', async () => {
    await stack.client(identityV1.TokenServiceService).revokeToken({ name: 'tokens/t1' });
    const { envelope } = await stack.seen('TokenRevoked');
    expect(envelope.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);

    // The event is seen before whoever published it knows that it was taken.
    let metrics = '';
    await until(async () => {
      metrics = await (await fetch(metricsUrl)).text();
      return metrics.includes('lastcall_events_published_total');
    }, 'the publication to be counted');
    expect(metrics).toMatch(
      /lastcall_rpc_total\{.*method="\/lastcall\.identity\.v1\.TokenService\/RevokeToken",code="OK".*\} 1/,
    );
    for (const name of ['outbox_pending', 'outbox_age_seconds', 'event_loop_delay_seconds', 'memory_bytes']) {
      expect(metrics).toMatch(new RegExp(`^lastcall_${name}\\{[^}]*\\} [\\d.e-]+`, 'm'));
    }
    expect(metrics).toMatch(/^lastcall_rpc_duration_seconds_bucket\{.*method=.*le="0.5".*\} 1/m);

    await stack.stop();
    const [, traceId, callId] = envelope.traceparent?.split('-') ?? [];
    const call = { name: 'lastcall.identity.v1.TokenService/RevokeToken', traceId, spanId: callId, parentId: '' };
    expect(collector.spans).toContainEqual(expect.objectContaining(call));
    const publication = { name: 'publish TokenRevoked', traceId, parentId: callId };
    expect(collector.spans).toContainEqual(expect.objectContaining(publication));
  });
});
