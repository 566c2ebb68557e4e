import { catalogV1, eventsV1, healthV1, identityV1, operationsV1 } from '@lastcall/contracts';
import { CODE, createClient, type CallError } from '@lastcall/sdk';
import { createSmallCatalog } from './small-catalog.js';
import { startStack, type Stack } from './stack.js';

describe('a stack', () => {
  let stack: Stack;
  afterEach(() => stack.stop());

  it('serves over real ports, with credentials, and refuses with all details', async () => {
    stack = await startStack({ modules: [createSmallCatalog()] });
    const catalog = stack.client(catalogV1.CatalogServiceService, 'viewer');
    const refused = catalog.getProduct({ name: 'products/encore' });
    await expect(refused).rejects.toMatchObject({ code: CODE.notFound, reason: 'NO_SUCH_PRODUCT' });
    const health = stack.client(healthV1.HealthService);
    expect(await health.check({ service: '' })).toEqual({ status: healthV1.HealthCheckResponse_ServingStatus.SERVING });
    expect((await fetch(`${stack.httpUrl}/readyz`)).status).toBe(200);
  });

  it('hands events to the module, and shows what is said', async () => {
    const taken: string[] = [];
    stack = await startStack({ modules: [createSmallCatalog({ taken })] });
    const message = eventsV1.HostJoined.create({ installation: 'a', host: 'srv' });
    await stack.publish('HostJoined', 'a', message, 'installer/hosts/a-srv');
    const { envelope } = await stack.seen('HostJoined', ({ host }) => host === 'srv');
    expect(envelope.id).toBe('installer/hosts/a-srv@1');
    await stack.stop();
    expect(taken).toEqual(['HostJoined srv']);
  });

  it('ends a revoked credential within moments', async () => {
    stack = await startStack({ modules: [createSmallCatalog()] });
    const victim = stack.token('operator');
    const { jti } = JSON.parse(Buffer.from(victim.split('.')[1] ?? '', 'base64url').toString()) as { jti: string };
    await stack.client(identityV1.TokenServiceService).revokeToken({ name: `tokens/${jti}` });
    await stack.seen('TokenRevoked');
    const catalog = createClient(catalogV1.CatalogServiceService, stack.channelWith(victim));
    const reason = () => catalog.getProduct({ name: 'products/p' }).catch((error: CallError) => error.reason);
    // The event reaches the catalog itself by the bus; asked again until it has.
    while ((await reason()) !== 'CREDENTIAL_REVOKED')
      expect(await reason()).toMatch(/NO_SUCH_PRODUCT|CREDENTIAL_REVOKED/);
    const other = stack.client(catalogV1.CatalogServiceService, 'operator');
    await expect(other.getProduct({ name: 'products/p' })).rejects.toMatchObject({ reason: 'NO_SUCH_PRODUCT' });
  });

  it('keeps an event that cannot be taken in, and hands it over again when somebody asks', async () => {
    const taken: string[] = [];
    let broken = true;
    const catalog = createSmallCatalog({ taken, isBroken: () => broken });
    stack = await startStack({ modules: [catalog], busTuning: { retryDelaysMs: [1, 1, 1, 1], faultPatienceMs: 1 } });
    await stack.publish('HostJoined', 'a', eventsV1.HostJoined.create({ installation: 'a', host: 'srv' }));
    const operations = stack.client(operationsV1.OperationsServiceService);
    const list = async () =>
      (await operations.listDeadLetters({ pageSize: 0, pageToken: '', service: '', ownProcess: true })).deadLetters;
    let [letter] = await list();
    while (!letter) [letter] = await list();
    expect(letter).toMatchObject({ consumer: 'catalog', event: 'HostJoined', installation: 'a' });
    expect(letter.reason).toContain('no room');
    await expect(operations.redriveDeadLetter({ name: letter.name, ownProcess: true })).rejects.toMatchObject({
      reason: 'STILL_NOT_TAKEN_IN',
    });
    expect(await list()).toHaveLength(1);
    broken = false;
    await operations.redriveDeadLetter({ name: letter.name, ownProcess: true });
    expect(taken).toEqual(['HostJoined srv']);
    expect(await list()).toEqual([]);
    await expect(operations.redriveDeadLetter({ name: letter.name, ownProcess: true })).rejects.toMatchObject({
      code: CODE.notFound,
    });
  });

  it('keeps audit records in a chain', async () => {
    stack = await startStack({ modules: [createSmallCatalog()] });
    const tokens = stack.client(identityV1.TokenServiceService);
    await tokens.revokeToken({ name: 'tokens/a' });
    await tokens.revokeToken({ name: 'tokens/b' });
    const operations = stack.client(operationsV1.OperationsServiceService);
    const newest = await operations.listAuditRecords({ pageSize: 1, pageToken: '', ownProcess: true });
    expect(newest.auditRecords).toMatchObject([{ resource: 'tokens/b', actor: 'admin' }]);
    const older = await operations.listAuditRecords({ pageSize: 1, pageToken: newest.nextPageToken, ownProcess: true });
    expect(older).toMatchObject({ auditRecords: [{ resource: 'tokens/a' }], nextPageToken: '' });
    const all = await operations.listAuditRecords({ pageSize: 1_000, pageToken: '', ownProcess: true });
    expect(all).toMatchObject({
      auditRecords: [{ resource: 'tokens/b' }, { resource: 'tokens/a' }],
      nextPageToken: '',
    });
    const chains = [...newest.auditRecords, ...older.auditRecords].map((record) => record.chain);
    expect(new Set(chains).size).toBe(2);
    const badPage = operations.listAuditRecords({ pageSize: 5_000, pageToken: 'x', ownProcess: true });
    await expect(badPage).rejects.toMatchObject({ violations: [{ field: 'page_size' }, { field: 'page_token' }] });
  });

  it('lets a credential make so many calls, and another one go on', async () => {
    stack = await startStack({ modules: [createSmallCatalog()], settings: { callsPerSecond: 1, callsBurst: 3 } });
    const operations = stack.client(operationsV1.OperationsServiceService, 'viewer');
    const call = () => operations.listDeadLetters({ pageSize: 1, pageToken: '', service: '', ownProcess: true });
    for (let n = 0; n < 3; n++) await call();
    await expect(call()).rejects.toMatchObject({ code: CODE.resourceExhausted, reason: 'TOO_MANY_CALLS' });
    const other = stack.client(operationsV1.OperationsServiceService, 'viewer');
    await expect(
      other.listDeadLetters({ pageSize: 1, pageToken: '', service: '', ownProcess: true }),
    ).resolves.toBeDefined();
  });
});
