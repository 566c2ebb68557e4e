import { identityV1 } from '@lastcall/contracts';
import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { findFreePorts } from './free-ports.js';
import { createRecorder } from './recorder.js';
import { createSmallCatalog } from './small-catalog.js';
import { startStack, type Stack } from './stack.js';
import { until } from './until.js';

/** Where traces go: answers each export as a collector does. */
async function startCollector(): Promise<{
  server: Http2Server;
  url: string;
  exports: ReturnType<typeof createRecorder<Buffer>>;
}> {
  const exports = createRecorder<Buffer>();
  const server = createServer().on('stream', (stream) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      exports.add(Buffer.concat(chunks));
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      // An empty message: five bytes of frame.
      stream.end(Buffer.alloc(5));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, exports };
}

describe('telemetry that is configured', () => {
  let stack: Stack;
  let collector: Awaited<ReturnType<typeof startCollector>>;
  let metricsUrl: string;

  beforeAll(async () => {
    collector = await startCollector();
    process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = collector.url;
    const [port] = await findFreePorts(1);
    metricsUrl = `http://127.0.0.1:${port}/metrics`;
    const settings = { telemetry: 'otlp', metricsAddress: `127.0.0.1:${port}` };
    stack = await startStack({ modules: [createSmallCatalog()], settings });
  });
  afterAll(async () => {
    await stack.stop();
    delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
    await new Promise((resolve) => collector.server.close(resolve));
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
    expect(metrics).toContain('lastcall_outbox_pending');

    await stack.stop();
    const sent = await collector.exports.until(
      () => true,
      10_000,
      () => 'export',
    );
    expect(sent.toString('latin1')).toContain('lastcall.identity.v1.TokenService/RevokeToken');
    expect(sent.toString('latin1')).toContain('publish TokenRevoked');
    const traceId = Buffer.from(envelope.traceparent?.split('-')[1] ?? '', 'hex');
    expect(sent.includes(traceId)).toBe(true);
  });
});
