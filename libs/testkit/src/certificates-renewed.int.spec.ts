import { catalogV1, operationsV1 } from '@lastcall/contracts';
import {
  CODE,
  createClient,
  followTlsFiles,
  openChannel,
  readTlsFiles,
  toCallError,
  type Channel,
  type ChannelTls,
} from '@lastcall/sdk';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { connect, type ConnectionOptions } from 'node:tls';
import { createCertificates, type CertificatePair } from './certificates.js';
import { readMetrics } from './metrics.js';
import { createSmallCatalog } from './small-catalog.js';
import { startStack, type Stack } from './stack.js';
import { createTempFolder, type TempFolder } from './temp-folder.js';
import { until } from './until.js';

/*
 * Certificates of a running process that are renewed, and what somebody with a stolen credential of a service gets: real servers, real files.
 */

const DAY_MS = 86_400_000;
const first = createCertificates();
const second = createCertificates();
/** Calls of a product that is not there reach the handler. */
const REACHED = 'NO_SUCH_PRODUCT';

describe('certificates', () => {
  let folder: TempFolder;
  let stack: Stack | undefined;
  const channels: Channel[] = [];
  afterEach(async () => {
    for (const channel of channels.splice(0)) channel.close();
    await stack?.stop();
    stack = undefined;
    await folder.remove();
  });

  const at = (name: string): string => join(folder.path, name);
  /** Whole, as whoever renews certificates does it. */
  async function put(name: string, text: string): Promise<void> {
    await writeFile(at(`${name}.next`), text);
    await rename(at(`${name}.next`), at(name));
  }
  async function putPair({ cert, key }: CertificatePair): Promise<void> {
    await put('tls.key', key);
    await put('tls.crt', cert);
  }
  async function start(pair: CertificatePair, settings: Record<string, string> = {}, ca = first.ca): Promise<void> {
    folder = await createTempFolder('renewed');
    await putPair(pair);
    await put('ca.crt', ca);
    const files = { tlsCertFile: at('tls.crt'), tlsKeyFile: at('tls.key'), tlsCaFile: at('ca.crt') };
    stack = await startStack({ modules: [createSmallCatalog()], settings: { ...files, ...settings } });
  }
  const service = (authority = first): CertificatePair => authority.issue('x', { moreNames: ['catalog'] });

  function channelWith(tls: ChannelTls, credential?: string): Channel {
    const token = credential ?? stack?.token('admin') ?? '';
    const channel = openChannel({ address: stack?.grpcAddress ?? '', credential: () => token, tls });
    channels.push(channel);
    return channel;
  }
  const own = ({ cert, key }: CertificatePair) => ({ cert: Buffer.from(cert), key: Buffer.from(key) });
  /** What becomes of a call on a connection of its own. */
  async function call(tls: ChannelTls, credential?: string): Promise<string> {
    const client = createClient(catalogV1.CatalogServiceService, channelWith(tls, credential));
    const failed = await client.getProduct({ name: 'products/p' }, { timeoutMs: 2_000 }).catch(toCallError);
    const { code, reason } = failed as { code: number; reason: string };
    return reason || String(code);
  }
  async function shown(url: string): Promise<string> {
    const { hostname, port } = new URL(url);
    const socket = connect({
      host: hostname,
      port: Number(port),
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  }
  const shownByAll = async (): Promise<string[]> => [
    ...new Set([await shown(`https://${stack?.grpcAddress}`), await shown(stack?.httpUrl ?? '')]),
  ];
  const ports = (): number[] =>
    [`https://${stack?.grpcAddress}`, stack?.httpUrl ?? ''].map((url) => Number(new URL(url).port));
  /** What a client keeps to come back without another look at its certificate. */
  async function sessionAt(port: number, options: ConnectionOptions) {
    const tls = {
      ...options,
      host: '127.0.0.1',
      port,
      maxVersion: 'TLSv1.2',
      ALPNProtocols: ['h2', 'http/1.1'],
    } as const;
    const socket = connect(tls);
    try {
      await once(socket, 'secureConnect');
      return { session: socket.getSession(), isReused: socket.isSessionReused() };
    } finally {
      socket.destroy();
    }
  }
  const fingerprint = ({ cert }: CertificatePair): string => new X509Certificate(cert).fingerprint256;
  const untilShown = (pair: CertificatePair) =>
    until(async () => (await shownByAll()).join() === fingerprint(pair), 'the new certificate on each port', 10_000);
  async function state(ca = first.ca): Promise<operationsV1.ServiceState> {
    const operations = createClient(operationsV1.OperationsServiceService, channelWith({ ca: Buffer.from(ca) }));
    const { serviceStates } = await operations.listServiceStates({ ownProcess: true });
    return serviceStates[0] ?? operationsV1.ServiceState.create();
  }

  it('that are renewed are shown to who comes then, and those who are there stay', async () => {
    await start(service());
    const there = createClient(catalogV1.CatalogServiceService, channelWith({ ca: Buffer.from(first.ca) }));
    const ask = () => there.getProduct({ name: 'products/p' }, { timeoutMs: 2_000 });
    await expect(ask()).rejects.toMatchObject({ reason: REACHED });
    const validUntil = Math.floor((Date.now() + 5 * DAY_MS) / 1_000) * 1_000;
    const renewed = second.issue('x', { validUntil });
    await put('ca.crt', second.ca);
    await putPair(renewed);
    await untilShown(renewed);
    await expect(ask()).rejects.toMatchObject({ reason: REACHED });
    expect(await call({ ca: Buffer.from(first.ca) })).toBe(String(CODE.unavailable));
    expect(await call({ ca: Buffer.from(second.ca) })).toBe(REACHED);
    const { certificateExpireTime, certificateProblem } = await state(second.ca);
    expect([certificateExpireTime?.getTime(), certificateProblem]).toEqual([validUntil, '']);
  });

  it('of an authority that is not trusted any more open nothing new', async () => {
    await start(service(), { tlsClientCerts: 'required' });
    const mine = { ca: Buffer.from(first.ca + second.ca), ...own(first.issue('operator')) };
    expect(await call(mine)).toBe(REACHED);
    const tickets = await Promise.all(ports().map((port) => sessionAt(port, mine)));
    const resume = () => ports().map((port, i) => sessionAt(port, { ...mine, session: tickets[i]?.session }));
    expect(await Promise.all(resume())).toEqual(
      tickets.map(() => expect.objectContaining({ isReused: true }) as object),
    );
    const renewed = service(second);
    await put('ca.crt', second.ca);
    await putPair(renewed);
    await until(async () => (await call(mine)) === String(CODE.unavailable), 'the old authority to be nobody', 10_000);
    expect(await Promise.allSettled(resume())).toEqual(
      tickets.map(() => expect.objectContaining({ status: 'rejected' }) as object),
    );
    const status = new Promise((resolve, reject) => {
      get(`${stack?.httpUrl}/readyz`, { ...mine, agent: false }, (r) => resolve(r.statusCode)).on('error', reject);
    });
    await expect(status).rejects.toThrow();
    expect(await call({ ...mine, ...own(second.issue('operator')) })).toBe(REACHED);
    // Its own calls use what is new.
    const create = catalogV1.CreateProductRequest.create({ productId: 'p' });
    const renewedMe = { ca: Buffer.from(second.ca), ...own(second.issue('operator')) };
    const client = createClient(catalogV1.CatalogServiceService, channelWith(renewedMe));
    await expect(client.createProduct(create)).rejects.toMatchObject({ reason: REACHED });
  });

  it.each<[string, () => Promise<void>, RegExp]>([
    ['a key of another one', () => put('tls.key', first.issue('x').key), /TLS_KEY_FILE is .*does not belong/],
    ['a file that is away', () => rename(at('tls.crt'), at('gone')), /TLS_CERT_FILE is .*cannot be read/],
  ])('stay in use while there is %s, and that is said', async (_, spoil, why) => {
    const before = service();
    const metrics = await readMetrics();
    await start(before, { metricsAddress: metrics.address });
    expect(await metrics.valueOf('certificate_unused')).toBe(0);
    await spoil();
    await until(async () => why.test((await state()).certificateProblem), 'the problem to be said', 10_000);
    expect(await metrics.valueOf('certificate_unused')).toBe(1);
    expect(await shownByAll()).toEqual([fingerprint(before)]);
    expect((await state()).certificateExpireTime?.getTime()).toBe(Date.parse(new X509Certificate(before.cert).validTo));
    const repaired = service();
    await putPair(repaired);
    await untilShown(repaired);
    expect((await state()).certificateProblem).toBe('');
    expect(await metrics.valueOf('certificate_unused')).toBe(0);
  });

  it.each<[string, () => Promise<void>, RegExp]>([
    ['half of a certificate', async () => put('tls.crt', first.issue('x').cert.slice(0, 200)), /no certificate/],
    ['half of a list', () => put('ca.crt', first.ca + second.ca.slice(0, 200)), /ends in the middle/],
    ['noise', () => put('ca.crt', first.ca.replace('MII', 'AAA')), /cannot be read/],
    ['an empty list', () => put('ca.crt', ''), /no certificate/],
    ['no key', () => put('tls.key', 'none'), /no private key/],
    ['one that has ended', () => putPair(first.issue('x', { validUntil: Date.now() - DAY_MS })), /has expired/],
    ['a folder', () => rename(at('ca.crt'), at('old')).then(() => mkdir(at('ca.crt'))), /EISDIR/],
  ])('as programs follow them, stay what they were when a file becomes %s', async (_, spoil, why) => {
    folder = await createTempFolder('followed');
    await putPair(service());
    await put('ca.crt', first.ca);
    const files = { ca: at('ca.crt'), cert: at('tls.crt'), key: at('tls.key') };
    const current = followTlsFiles(files);
    const before = current();
    await spoil();
    expect(() => readTlsFiles(files)).toThrow(why);
    expect(current()).toBe(before);
    const repaired = service();
    await rm(at('ca.crt'), { recursive: true });
    await put('ca.crt', first.ca + second.ca);
    await putPair(repaired);
    expect(current()).toEqual({ ca: Buffer.from(first.ca + second.ca), ...own(repaired) });
    expect(current()).toBe(current());
  });

  it.each<[string, CertificatePair, string, Record<string, string>, RegExp]>([
    [
      'a key of another one',
      { ...service(), key: service().key },
      first.ca,
      {},
      /LASTCALL_TLS_KEY_FILE is .*does not belong/,
    ],
    [
      'one that has ended',
      first.issue('x', { validUntil: Date.now() - 1_000 }),
      first.ca,
      {},
      /CERT_FILE is .*expired/,
    ],
    ['an authority without certificates', service(), 'none', {}, /LASTCALL_TLS_CA_FILE is .*no certificate/],
    [
      'one without the service’s name',
      first.issue('x'),
      first.ca,
      { tlsClientCerts: 'asked' },
      /no DNS name catalog \(it has/,
    ],
  ])('let nothing start with %s', async (_, pair, ca, settings, why) => {
    await expect(start(pair, settings, ca)).rejects.toThrow(why);
  });

  describe('of services', () => {
    const credentialOf = (name: string) => readFile(join(stack?.identityDir ?? '', `${name}.token`), 'utf8');

    it.each(['asked', 'required'])(
      'are needed for a credential of a service where they are %s',
      async (tlsClientCerts) => {
        await start(service(), { tlsClientCerts });
        const ca = Buffer.from(first.ca);
        const as = (pair: CertificatePair) => ({ ca, ...own(pair) });
        const stolen = (await credentialOf('catalog')).trim();
        const refused = 'NO_SERVICE_CERTIFICATE';
        expect(await call(as(service()), stolen)).toBe(REACHED);
        expect(await call(as(first.issue('catalog')), stolen)).toBe(refused);
        expect(
          await call(as(first.issue('x', { moreNames: ['session', 'catalog.example', '*.catalog'] })), stolen),
        ).toBe(refused);
        const ofSession = (await credentialOf('session')).trim();
        expect(await call(as(service()), ofSession)).toBe(refused);
        expect(await call(as(first.issue('x', { moreNames: ['session'] })), ofSession)).toBe(REACHED);
        const isRequired = tlsClientCerts === 'required';
        const stranger = isRequired ? String(CODE.unavailable) : refused;
        expect(await call({ ca }, stolen)).toBe(stranger);
        expect(await call(as(service(second)), stolen)).toBe(stranger);
        // Everybody else's credential counts by itself.
        expect(await call({ ca })).toBe(isRequired ? stranger : REACHED);
        expect(await call(as(first.issue('operator')))).toBe(REACHED);
      },
    );

    it('are not looked at where nobody is asked for one', async () => {
      await start(first.issue('x'));
      expect(await call({ ca: Buffer.from(first.ca) }, (await credentialOf('catalog')).trim())).toBe(REACHED);
    });

    it('may be named by a pattern', async () => {
      const named = first.issue('x', { moreNames: ['lc-catalog'] });
      await start(named, { tlsClientCerts: 'asked', tlsServiceName: 'lc-{service}' });
      const stolen = (await credentialOf('catalog')).trim();
      expect(await call({ ca: Buffer.from(first.ca), ...own(named) }, stolen)).toBe(REACHED);
      expect(await call({ ca: Buffer.from(first.ca), ...own(service()) }, stolen)).toBe('NO_SERVICE_CERTIFICATE');
    });
  });
});
