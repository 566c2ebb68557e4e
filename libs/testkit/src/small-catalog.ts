import { catalogV1, eventsV1, identityV1, type EventType } from '@lastcall/contracts';
import { reject } from '@lastcall/kernel';
import { bindRpc, z, type AnyServiceModule, type EventHandlers } from '@lastcall/runtime';

/*
 * A catalog that says only what tests of the runtime need. Everything else that they see is the runtime's.
 */

export interface SmallCatalogOptions {
  /** Events that were taken in, `type host`. */
  readonly taken?: string[];
  /** While it answers true, events cannot be taken in. */
  readonly isBroken?: () => boolean;
}

export function createSmallCatalog({ taken = [], isBroken = () => false }: SmallCatalogOptions = {}): AnyServiceModule {
  const take = async (type: EventType, host: string): Promise<void> => {
    if (isBroken()) throw new Error('no room');
    taken.push(`${type} ${host}`);
  };
  const consumers: EventHandlers = {
    HostJoined: ({ host }) => take('HostJoined', host),
    HostUpdated: ({ host }) => take('HostUpdated', host),
    InstallationUpdated: () => take('InstallationUpdated', ''),
    InstallationRolledBack: () => take('InstallationRolledBack', ''),
    InstallationQuarantined: () => take('InstallationQuarantined', ''),
    RunFinished: () => take('RunFinished', ''),
  };
  return {
    name: 'catalog',
    settings: z.object({ greeting: z.string().default('hello') }),
    create: async ({ store, ...context }) => {
      const notes = await store.collection<{ text: string }>({ name: 'notes', fields: () => ({}), indexes: [] });
      const self = context.client(catalogV1.CatalogServiceService);
      const products = bindRpc(catalogV1.CatalogServiceService, {
        getProduct: async ({ name }) => reject('not-found', 'NO_SUCH_PRODUCT', `There is no ${name}.`),
        // Asks itself, as another service would: with this service's credential, over the network.
        createProduct: async ({ productId }) => {
          await self.getProduct({ name: `products/${productId}` });
          return catalogV1.CreateProductResponse.create({});
        },
      });
      const tokens = bindRpc(identityV1.TokenServiceService, {
        revokeToken: async ({ name }) => {
          const token = name.slice('tokens/'.length);
          const message = eventsV1.TokenRevoked.create({ token, expiresAt: new Date(Date.now() + 3_600_000) });
          const data = eventsV1.TokenRevoked.encode(message).finish();
          const events = [{ type: 'TokenRevoked', installation: '', data }] as const;
          await notes.change(token, () => ({ write: { text: 'revoked' }, events, result: undefined }));
          return identityV1.RevokeTokenResponse.create({});
        },
      });
      return { rpc: [products, tokens], consumers, duties: [] };
    },
  };
}
