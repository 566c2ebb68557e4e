import { catalogV1, healthV1 } from '@lastcall/contracts';
import { ensureIdentity } from '@lastcall/runtime';
import { CODE, createClient, openChannel, type Channel } from '@lastcall/sdk';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:http2';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { createCertificates } from './certificates.js';
import { findFreePorts } from './free-ports.js';
import { startProgram } from './program.js';
import { createSmallCatalog } from './small-catalog.js';
import { startStack, type Stack } from './stack.js';
import { createTempFolder, type TempFolder } from './temp-folder.js';

const HEALTHCHECK = join(__dirname, '..', '..', 'runtime', 'src', 'healthcheck.ts');
const { SERVING, NOT_SERVING } = healthV1.HealthCheckResponse_ServingStatus;
const certificates = createCertificates();

let folder: TempFolder;
let stack: Stack | undefined;
const channels: Channel[] = [];
const listeners: Server[] = [];
beforeEach(async () => (folder = await createTempFolder('health')));
afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close();
  for (const listener of listeners.splice(0)) listener.close();
  await stack?.stop();
  stack = undefined;
  await folder.remove();
});

/** A service whose other ports demand certificates. */
async function startStrict(): Promise<Stack> {
  const { cert, key } = certificates.issue('lastcall', { moreNames: ['catalog'] });
  const file = async (name: string, text: string) => {
    await writeFile(join(folder.path, name), text);
    return join(folder.path, name);
  };
  const settings = {
    healthAddress: '127.0.0.1:0',
    tlsCertFile: await file('cert.pem', cert),
    tlsKeyFile: await file('key.pem', key),
    tlsCaFile: await file('ca.pem', certificates.ca),
    tlsClientCerts: 'required',
  };
  return (stack = await startStack({ modules: [createSmallCatalog()], settings }));
}

function channelTo(address: string, credential = ''): Channel {
  const channel = openChannel({ address, credential: () => credential });
  channels.push(channel);
  return channel;
}

async function ask(args: readonly string[], env: Record<string, string> = {}) {
  const none = { LASTCALL_HEALTH_ADDRESS: undefined, LASTCALL_GRPC_ADDRESS: undefined };
  const child = startProgram(HEALTHCHECK, args, { ...none, ...env });
  const { code } = await child.exited;
  return { code, said: child.lines.join('\n') };
}

describe('the health port', () => {
  it('is asked in plain text and without credentials, where everything else demands certificates', async () => {
    const { healthAddress } = await startStrict();
    const health = createClient(healthV1.HealthService, channelTo(healthAddress));
    expect(await health.check({ service: '' })).toEqual({ status: SERVING });
    expect(await health.check({ service: 'lastcall.catalog.v1.CatalogService' })).toEqual({ status: SERVING });
    await expect(health.check({ service: 'other' })).rejects.toMatchObject({ code: CODE.notFound });
    // A credential that nobody has issued is not looked at.
    const strange = createClient(healthV1.HealthService, channelTo(healthAddress, 'nonsense'));
    expect(await strange.check({ service: '' })).toEqual({ status: SERVING });
  });

  it('serves nothing else, whoever asks', async () => {
    const { healthAddress, token } = await startStrict();
    const catalog = createClient(catalogV1.CatalogServiceService, channelTo(healthAddress, token('admin')));
    await expect(catalog.getProduct({ name: 'products/p' })).rejects.toMatchObject({ code: CODE.unimplemented });
  });

  it('survives questions that are none', async () => {
    const { healthAddress } = await startStrict();
    const session = connect(`http://${healthAddress}`);
    for (const bytes of [Buffer.from('0000000003ffffff', 'hex'), Buffer.alloc(4), Buffer.alloc(5_000, 1)]) {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('error', () => undefined);
      const closed = new Promise((resolve) => stream.on('close', resolve));
      stream.resume().end(bytes);
      await closed;
    }
    session.destroy();
    expect(await ask([healthAddress])).toEqual({ code: 0, said: `${healthAddress} is serving.` });
  });

  it('tells a watcher that the service stops, and lets the stop go on', async () => {
    const { healthAddress, stop } = await startStrict();
    const health = createClient(healthV1.HealthService, channelTo(healthAddress));
    const said: number[] = [];
    const watching = (async () => {
      for await (const { status } of health.watch({ service: '' })) {
        said.push(status);
        if (status === SERVING) void stop();
      }
    })();
    await expect(watching).rejects.toMatchObject({ code: CODE.unavailable });
    expect(said).toEqual([SERVING, NOT_SERVING]);
    await stop();
    expect((await ask([healthAddress])).code).toBe(1);
  });

  it('says which port is taken', async () => {
    const taken = createServer();
    listeners.push(taken);
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const healthAddress = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
    const refused = startStack({ modules: [createSmallCatalog()], settings: { healthAddress } });
    await expect(refused).rejects.toThrow(`cannot listen on ${healthAddress}`);
  });
});

describe('the health client', () => {
  it('asks where the service is told to be asked, and exits with the answer', async () => {
    await ensureIdentity(join(folder.path, 'identity'));
    const [health, grpc] = await findFreePorts(2);
    const env = {
      LASTCALL_DATA_DIR: folder.path,
      LASTCALL_GRPC_ADDRESS: `127.0.0.1:${grpc}`,
      LASTCALL_HTTP_ADDRESS: '127.0.0.1:0',
    };
    const own = { ...env, LASTCALL_HEALTH_ADDRESS: `0.0.0.0:${health}` };
    expect(await ask([], own)).toMatchObject({ code: 1, said: expect.stringContaining('ECONNREFUSED') as string });
    const service = startProgram(join(__dirname, 'small-catalog-main.ts'), [], own);
    await service.until(/"msg":"ready"/);
    expect(await ask([], own)).toEqual({ code: 0, said: `127.0.0.1:${health} is serving.` });
    expect(await ask([], env)).toEqual({ code: 0, said: `127.0.0.1:${grpc} is serving.` });
    expect(await service.stop()).toEqual({ code: 0, signal: null });
    expect((await ask([], own)).code).toBe(1);
  });

  it('says that a port demands TLS, or never answers', async () => {
    const { grpcAddress } = await startStrict();
    const tls = await ask([grpcAddress]);
    expect(tls).toMatchObject({ code: 1, said: expect.stringContaining('demands TLS') as string });
    const silent = createServer();
    listeners.push(silent);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    expect(await ask([address])).toEqual({ code: 1, said: `${address} cannot be asked: no answer within 3000 ms.` });
  });

  it('takes nothing else for an answer', async () => {
    const { httpUrl } = (stack = await startStack({ modules: [createSmallCatalog()] }));
    expect((await ask([httpUrl.replace('http://', '')])).code).toBe(1);
    for (const strange of ['nowhere.invalid:1', 'no address', '127.0.0.1:99999']) {
      const { code, said } = await ask([strange]);
      expect([code, said.split('\n').length]).toEqual([1, 1]);
      expect(said).toMatch(/ cannot be asked: .+\.$/);
    }
  });
});
