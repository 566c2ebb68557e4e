import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/*
 * The line between the services and a server that is not the test's to stop: every connection goes through here, and can be cut, all
 * at once and for as long as it takes.
 */

export interface CuttableLine {
  /** Of the server, through here. */
  readonly url: string;
  /** Ends every connection and takes no new one. */
  cut(): Promise<void>;
  mend(): Promise<void>;
  remove(): Promise<void>;
}

/** `host`: address of this machine to listen at. Default: the loopback. */
export async function createCuttableLine(serverUrl: string, host = '127.0.0.1'): Promise<CuttableLine> {
  const target = new URL(serverUrl);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      // A side that is gone takes the other with it.
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await listen(server, host, 0);
  const { port } = server.address() as AddressInfo;
  const cut = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const url = new URL(serverUrl);
  url.hostname = host;
  url.port = String(port);
  return { url: url.href, cut, mend: () => listen(server, host, port), remove: cut };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}
