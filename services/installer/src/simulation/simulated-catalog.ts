import { catalogV1, parseName } from '@lastcall/contracts';
import { reject } from '@lastcall/kernel';
import { bindRpc, z, type ServiceModule } from '@lastcall/runtime';

/*
 * As much of the catalog as the installer asks it for: installations, all of the product `encore`, and a root of trust.
 * An installation whose name begins with `no-` does not exist.
 */

export const SIMULATED_ROOT = JSON.stringify({ signed: { _type: 'root', version: 1 }, signatures: [] });

export const simulatedCatalog: ServiceModule<object> = {
  name: 'catalog',
  settings: z.object({}),
  create: async () => ({
    rpc: [
      bindRpc(catalogV1.CatalogServiceService, {
        getInstallation: async ({ name }) => {
          const parsed = parseName('installation', 'name', name);
          const exists = parsed.ok && !parsed.parts.installation.startsWith('no-');
          if (!exists) return reject('not-found', 'NOT_FOUND', `there is no ${name}`);
          return { installation: catalogV1.Installation.fromPartial({ name, product: 'encore' }) };
        },
      }),
    ],
    http: [
      {
        method: 'GET',
        path: '/tuf/*',
        handle: async (_request, response, { rest }) => {
          const isRoot = rest.endsWith('root.json');
          response.writeHead(isRoot ? 200 : 404, { 'content-type': 'application/json' });
          response.end(isRoot ? SIMULATED_ROOT : '');
        },
      },
    ],
    consumers: {
      HostJoined: async () => undefined,
      HostUpdated: async () => undefined,
      InstallationUpdated: async () => undefined,
      InstallationRolledBack: async () => undefined,
      InstallationQuarantined: async () => undefined,
      RunFinished: async () => undefined,
    },
    duties: [],
  }),
};
