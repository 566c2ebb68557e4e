import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Bench } from './benchmark.js';

/* Counts what goes to a client over the wire, headers included. */

export interface Relay {
  readonly url: string;
  /** Bytes that went to clients. */
  bytes(): number;
}

export async function startRelay(bench: Bench, to: string): Promise<Relay> {
  const { hostname, port } = new URL(to);
  let bytes = 0;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      open.add(socket);
      // Each end learns of the other's end; what broke is told by who asked.
      socket
        .on('error', () => undefined)
        .on('close', () => void (open.delete(socket), client.destroy(), upstream.destroy()));
    }
    upstream.on('data', (chunk) => (bytes += chunk.byteLength));
    upstream.pipe(client);
    client.pipe(upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  bench.onEnd(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bytes: () => bytes };
}
