import { catalogV1, commonV1, identityV1 } from '@lastcall/contracts';
import type { Lastcall } from './lastcall.js';

/** An installation of many users, and a credential for its clients. */
export async function addManyUsers(
  lastcall: Lastcall,
  installationId: string,
  more: Parameters<typeof catalogV1.Installation.fromPartial>[0] = {},
): Promise<string> {
  const catalog = lastcall.client('catalog', catalogV1.CatalogServiceService);
  const product = { title: 'Encore' };
  await catalog.createProduct(catalogV1.CreateProductRequest.fromPartial({ productId: 'encore', product }));
  const installation = catalogV1.Installation.fromPartial({
    title: 'Many users',
    product: 'encore',
    kind: commonV1.InstallationKind.MULTI_USER,
    channel: 'stable',
    timeZone: 'UTC',
    ...more,
  });
  await catalog.createInstallation({ installationId, installation });
  const tokens = lastcall.client('catalog', identityV1.TokenServiceService);
  const request = { subject: 'clients', role: identityV1.Role.CLIENT, installation: installationId, validDays: 1 };
  return (await tokens.createToken(request)).credential;
}
