import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Http2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attachSession } from './attach-session.js';
import { SESSIONS_PER_CONNECTION } from './connection-shares.js';

/* What a server sees of a program with many sessions: an HTTP/2 server that takes no more streams on a connection than many proxies do. */

describe('a program with many sessions', () => {
  it('opens as many connections as its sessions need where a connection takes 100 streams', async () => {
    const connections = new Set<Http2Session>();
    let streams = 0;
    let seen = (): void => undefined;
    const server = createServer({ settings: { maxConcurrentStreams: SESSIONS_PER_CONNECTION } });
    server.on('session', (session) => connections.add(session));
    server.on('stream', (stream) => {
      stream.on('error', () => undefined);
      streams++;
      seen();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const folder = mkdtempSync(join(tmpdir(), 'lastcall-sdk-'));
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, 'of-a-test');
    const env = {
      LASTCALL_ADDR: `127.0.0.1:${(server.address() as AddressInfo).port}`,
      LASTCALL_INSTALLATION: 'berlin',
      LASTCALL_TOKEN_FILE: tokenFile,
    };
    const count = 2 * SESSIONS_PER_CONNECTION + 1;
    const all = new Promise<void>((resolve) => (seen = () => streams === count && resolve()));
    const sessions = Array.from({ length: count }, (_, i) =>
      attachSession({ user: `user-${i}`, version: '1.0.0', env, keepAlive: true }),
    );
    await all;
    expect(connections.size).toBe(3);
    for (const connection of connections) connection.destroy();
    await Promise.all(sessions.map((session) => session.goodbye()));
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });
});
