import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/*
 * One address for several replicas, as a load balancer in front of them: each connection goes to the next replica that takes it. What
 * flows to clients can be held back, as a network does when a reader is slow.
 */

export interface SpreadLine {
  /** `host:port`. */
  readonly address: string;
  /** Nothing comes from the replicas any more to the clients that are connected now, and nothing is lost. */
  hold(): void;
  release(): void;
  remove(): Promise<void>;
}

export async function createSpreadLine(addresses: readonly string[]): Promise<SpreadLine> {
  const targets = addresses.map((address) => new URL(`tcp://${address}`));
  const fars = new Set<Socket>();
  const nears = new Set<Socket>();
  let turn = 0;
  const server = createServer((near) => {
    nears.add(near);
    near.on('error', () => undefined);
    near.on('close', () => nears.delete(near));
    void spread(near);
  });
  const spread = async (near: Socket): Promise<void> => {
    for (let tries = 0; tries < targets.length; tries++) {
      const target = targets[turn++ % targets.length];
      const far = target && (await reach(target));
      if (!far) continue;
      return join(near, far, fars);
    }
    near.destroy();
  };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold: () => fars.forEach((far) => far.pause()),
    release: () => fars.forEach((far) => far.resume()),
    remove: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of [...nears, ...fars]) socket.destroy();
      await closed;
    },
  };
}

/** Undefined: nobody is there. */
function reach(target: URL): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const far = connect({ port: Number(target.port), host: target.hostname, noDelay: true });
    far.once('connect', () => resolve(far));
    far.on('error', () => resolve(undefined));
  });
}

/** A side that is gone takes the other with it. */
function join(near: Socket, far: Socket, fars: Set<Socket>): void {
  fars.add(far);
  near.setNoDelay(true);
  near.on('data', (chunk) => void far.write(chunk));
  far.on('data', (chunk) => void near.write(chunk));
  near.on('close', () => far.destroy());
  far.on('close', () => {
    fars.delete(far);
    near.destroy();
  });
  if (near.destroyed) far.destroy();
}
