import { catalogV1, commonV1, hostEdgeV1, installerV1 } from '@lastcall/contracts';
import { createClient, openChannel, type Channel } from '@lastcall/sdk';
import { createTempFolder, signAgentToken, signerOf, startProgram, type Child } from '@lastcall/testkit';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { INSTALLATIONS } from './hostile-values.js';
import type { Measured } from './monitor.js';

/* A real `lastcall up` with two installations, and channels to it. */

export interface Target {
  /** By who calls. */
  readonly channels: { readonly admin: Channel; readonly client: Channel; readonly agent: Channel };
  measure(): Promise<Measured>;
  /** Undefined while it runs; else how it ended, with its last lines. */
  crash(): string | undefined;
  /** Lines of its log of the level `error`: mistakes of ours. */
  mistakes(): readonly string[];
  stop(): Promise<void>;
}

interface Place {
  readonly grpcAddress: string;
  readonly operatorTokenFile: string;
  readonly dataDir: string;
}

export async function startTarget(): Promise<Target> {
  const folder = await createTempFolder('fuzz');
  const entry = resolve(__dirname, '../src/up-main.ts');
  // A call that is one too many is refused before anybody looks at it: on a fast machine that would be every third.
  const settings = { LASTCALL_LOG_LEVEL: 'error', LASTCALL_CALLS_PER_SECOND: '0' };
  const child = startProgram(entry, [join(folder.path, 'data')], settings);
  const ready = await child.until(/^up (\{.*\})$/, 60_000);
  const place = JSON.parse(ready[1] ?? '') as Place;
  const channels = await furnish(place);
  let ended: string | undefined;
  void child.exited.then(
    ({ code, signal }) => (ended = `ended with ${signal ?? code}:\n${child.lines.slice(-20).join('\n')}`),
  );
  return {
    channels,
    measure: createMeasure(child),
    crash: () => ended,
    // Nothing else is logged at this level.
    mistakes: () => child.lines.filter((line) => line.startsWith('{')),
    stop: async () => {
      for (const channel of Object.values(channels)) channel.close();
      await child.stop();
      await folder.remove();
    },
  };
}

export function createMeasure(child: Child): () => Promise<Measured> {
  let number = 0;
  return async () => {
    number++;
    child.write(`measure ${number}\n`);
    const [, json = ''] = await child.until(new RegExp(`^measured ${number} (.*)$`), 60_000);
    return JSON.parse(json) as Measured;
  };
}

async function furnish({ grpcAddress, operatorTokenFile, dataDir }: Place): Promise<Target['channels']> {
  const operator = readFileSync(operatorTokenFile, 'utf8').trim();
  const channelOf = (credential: () => string): Channel => openChannel({ address: grpcAddress, credential });
  const admin = channelOf(() => operator);
  const sign = signerOf(join(dataDir, 'identity'));
  const client = sign({ sub: 'app', role: 'client', inst: 'one' });
  const catalog = createClient(catalogV1.CatalogServiceService, admin);
  await catalog.createProduct({ productId: 'tiny', product: catalogV1.Product.fromPartial({ title: 'Tiny' }) });
  for (const installationId of INSTALLATIONS) {
    const settings = { title: installationId, product: 'tiny', channel: 'stable', timeZone: 'UTC' };
    const kind = commonV1.InstallationKind.MULTI_USER;
    const installation = catalogV1.Installation.fromPartial({ ...settings, kind });
    await catalog.createInstallation({ installationId, installation });
  }
  const agentKey = await joinHost(admin);
  const agent = channelOf(() => signAgentToken(agentKey, 'one', 'srv'));
  return { admin, client: channelOf(() => client), agent };
}

async function joinHost(admin: Channel): Promise<ReturnType<typeof generateKeyPairSync>['privateKey']> {
  const order = { parent: 'installations/one', hostId: 'srv', role: commonV1.HostRole.SERVER, validMinutes: 60 };
  const { token } = await createClient(installerV1.InstallerServiceService, admin).createJoinToken(order);
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const about = { platform: 'linux-x64', agentVersion: '9.0.0', installedVersion: '1.0.0' };
  await createClient(hostEdgeV1.HostEdgeServiceService, admin).join({ token, publicKey: raw, ...about });
  return privateKey;
}
