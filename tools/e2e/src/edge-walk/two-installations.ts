import { catalogV1, commonV1, hostEdgeV1, installerV1 } from '@lastcall/contracts';
import type { Stack } from '@lastcall/testkit';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';

/* Two installations with a server each, so that a credential can be of the wrong one. */

export const INSTALLATIONS = ['one', 'two'] as const;
export type Named = (typeof INSTALLATIONS)[number];

/** Answers the keys of the two servers. */
export async function addInstallations(stack: Stack): Promise<Readonly<Record<Named, KeyObject>>> {
  const catalog = stack.client(catalogV1.CatalogServiceService);
  await catalog.createProduct({ productId: 'tiny', product: catalogV1.Product.fromPartial({ title: 'Tiny' }) });
  const keys: Partial<Record<Named, KeyObject>> = {};
  for (const installationId of INSTALLATIONS) {
    const installation = catalogV1.Installation.fromPartial({
      title: installationId,
      product: 'tiny',
      kind: commonV1.InstallationKind.MULTI_USER,
      channel: 'stable',
      timeZone: 'UTC',
    });
    await catalog.createInstallation({ installationId, installation });
    keys[installationId] = await joinHost(stack, installationId);
    await stack.seen('InstalledReleaseChanged', (m) => m.installation === installationId, 15_000);
  }
  return keys as Readonly<Record<Named, KeyObject>>;
}

export async function joinHost(
  stack: Stack,
  installation: Named,
  hostId = 'srv',
  role = commonV1.HostRole.SERVER,
): Promise<KeyObject> {
  const { token } = await stack.client(installerV1.InstallerServiceService).createJoinToken({
    parent: `installations/${installation}`,
    hostId,
    role,
    validMinutes: 10,
  });
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const about = { platform: 'linux-x64', agentVersion: '9.0.0', installedVersion: '1.0.0' };
  await stack.client(hostEdgeV1.HostEdgeServiceService).join({ token, publicKey: raw, ...about });
  return privateKey;
}
