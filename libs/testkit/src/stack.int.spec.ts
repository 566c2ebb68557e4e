import { catalogV1, eventsV1, healthV1, identityV1, operationsV1, type EventType } from '@lastcall/contracts';
import { Fault, reject } from '@lastcall/kernel';
import { bindRpc, z, type AnyServiceModule, type EventHandlers } from '@lastcall/runtime';
import { CODE } from '@lastcall/sdk';
import { startStack, type Stack } from './stack.js';

/** A catalog that says only what these tests need; the runtime does everything else. */
function smallCatalog(taken: string[] = []): AnyServiceModule {
  return {
    name: 'catalog',
    settings: z.object({ greeting: z.string().default('hello') }),
    create: async ({ store }) => {
      const notes = await store.collection<{ text: string }>({ name: 'notes', fields: () => ({}), indexes: [] });
      const take = async (type: EventType, host: string): Promise<void> => {
        if (host === 'broken') throw new Fault('the disk is away');
        taken.push(`${type} ${host}`);
      };
      const handlers: EventHandlers = {
        HostJoined: ({ host }) => take('HostJoined', host),
        HostUpdated: ({ host }) => take('HostUpdated', host),
        InstallationUpdated: () => take('InstallationUpdated', ''),
        InstallationRolledBack: () => take('InstallationRolledBack', ''),
      };
      return {
        rpc: [
          bindRpc(catalogV1.CatalogServiceService, {
            getProduct: async ({ name }) => reject('not-found', 'NO_SUCH_PRODUCT', `There is no ${name}.`),
          }),
          bindRpc(identityV1.TokenServiceService, {
            revokeToken: async ({ name }) => {
              const message = eventsV1.TokenRevoked.create({ token: name.slice(7), expiresAt: new Date(Date.now() + 9e6) });
              const data = Buffer.from(eventsV1.TokenRevoked.encode(message).finish());
              await notes.change(name.slice(7), () => ({
                write: { text: 'revoked' },
                events: [{ type: 'TokenRevoked', installation: '', data }],
                result: undefined,
              }));
              return identityV1.RevokeTokenResponse.create({});
            },
          }),
        ],
        consumers: handlers,
        duties: [],
      };
    },
  };
}

describe('a stack', () => {
  let stack: Stack;
  afterEach(() => stack.stop());

  it('serves over real ports, with credentials, and refuses with all details', async () => {
    stack = await startStack({ modules: [smallCatalog()] });
    const catalog = stack.client(catalogV1.CatalogServiceService, 'viewer');
    const refused = catalog.getProduct({ name: 'products/encore' });
    await expect(refused).rejects.toMatchObject({ code: CODE.notFound, reason: 'NO_SUCH_PRODUCT' });
    const health = stack.client(healthV1.HealthService);
    expect(await health.check({ service: '' })).toEqual({ status: healthV1.HealthCheckResponse_ServingStatus.SERVING });
    expect((await fetch(`${stack.httpUrl}/readyz`)).status).toBe(200);
  });

  it('hands events to the module, and shows what is said', async () => {
    const taken: string[] = [];
    stack = await startStack({ modules: [smallCatalog(taken)] });
    const message = eventsV1.HostJoined.create({ installation: 'a', host: 'srv' });
    await stack.publish('HostJoined', 'a', message, 'installer/hosts/a-srv');
    const { envelope } = await stack.seen('HostJoined', ({ host }) => host === 'srv');
    expect(envelope.id).toBe('installer/hosts/a-srv@1');
    await stack.stop();
    expect(taken).toEqual(['HostJoined srv']);
  });

  it('ends a revoked credential within moments', async () => {
    stack = await startStack({ modules: [smallCatalog()] });
    const victim = stack.token('operator');
    const { jti } = JSON.parse(Buffer.from(victim.split('.')[1] ?? '', 'base64url').toString()) as { jti: string };
    await stack.client(identityV1.TokenServiceService).revokeToken({ name: `tokens/${jti}` });
    await stack.seen('TokenRevoked');
    const { createClient } = await import('@lastcall/sdk');
    const catalog = createClient(catalogV1.CatalogServiceService, stack.channelWith(victim));
    await expect(catalog.getProduct({ name: 'products/p' })).rejects.toMatchObject({ reason: 'CREDENTIAL_REVOKED' });
  });

  it('keeps audit records in a chain', async () => {
    stack = await startStack({ modules: [smallCatalog()] });
    const tokens = stack.client(identityV1.TokenServiceService);
    await tokens.revokeToken({ name: 'tokens/a' });
    await tokens.revokeToken({ name: 'tokens/b' });
    const operations = stack.client(operationsV1.OperationsServiceService);
    const { auditRecords } = await operations.listAuditRecords({ pageSize: 1, pageToken: '' });
    expect(auditRecords).toMatchObject([{ resource: 'tokens/b', actor: 'admin' }]);
  });
});
