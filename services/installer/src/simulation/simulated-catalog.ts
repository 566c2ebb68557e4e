import { catalogV1, parseName } from '@lastcall/contracts';
import { reject } from '@lastcall/kernel';
import { bindRpc, z, type ServiceModule } from '@lastcall/runtime';

/*
 * As much of the catalog as the installer asks it for: installations, all of the product `encore`, and a root of trust.
 * An installation whose name begins with `no-` does not exist.
 */

export const SIMULATED_TIMESTAMP = JSON.stringify({ signed: { _type: 'timestamp', version: 7 }, signatures: [] });
export const SIMULATED_ROOT = JSON.stringify({ signed: { _type: 'root', version: 1 }, signatures: [] });
const SIMULATED_METADATA: Readonly<Record<string, string>> = {
  'root.json': SIMULATED_ROOT,
  'timestamp.json': SIMULATED_TIMESTAMP,
};

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
          const body = SIMULATED_METADATA[rest];
          response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(body);
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
