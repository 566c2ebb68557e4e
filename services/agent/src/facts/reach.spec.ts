import { createServer, type AddressInfo } from 'node:net';
import { ownAddresses, reachPorts } from './reach.js';

const never = new AbortController().signal;

async function withPort<T>(work: (open: number, shut: number) => Promise<T>): Promise<T> {
  const [open, shut] = [createServer(), createServer()];
  const listen = (server: typeof open) =>
    new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
    );
  const ports = [await listen(open), await listen(shut)] as const;
  await new Promise((resolve) => shut.close(resolve));
  try {
    return await work(...ports);
  } finally {
    open.close();
  }
}

describe('a port of another host', () => {
  it('is reached when somebody listens, or when the host refuses by itself', () =>
    withPort(async (open, shut) => {
      const target = { host: 'srv', addresses: ['127.0.0.1'], ports: [open, shut] };
      expect(await reachPorts(target, never)).toEqual([
        { host: 'srv', port: open, reached: true, found: '127.0.0.1 answers' },
        { host: 'srv', port: shut, reached: true, found: '127.0.0.1 refuses by itself' },
      ]);
    }));

  it('is reached under one of several addresses', () =>
    withPort(async (open) => {
      const target = { host: 'srv', addresses: ['no such address', '127.0.0.1'], ports: [open] };
      expect(await reachPorts(target, never)).toMatchObject([{ reached: true, found: '127.0.0.1 answers' }]);
    }));

  it('is not reached where there is no way, and the reason is said', async () => {
    const target = { host: 'srv', addresses: ['no such address'], ports: [80] };
    expect(await reachPorts(target, never)).toMatchObject([
      { reached: false, found: expect.stringMatching(/^no such address E/) as string },
    ]);
    expect(await reachPorts({ ...target, addresses: [] }, never)).toMatchObject([{ found: 'it has no address' }]);
  });

  it('is asked of addresses that others can use', () => {
    for (const address of ownAddresses()) expect(address).not.toMatch(/^(127\.|::1$|fe80:)/);
  });
});
