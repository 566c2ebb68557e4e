import { formatName, hostEdgeV1, installerV1, type commonV1 } from '@lastcall/contracts';
import { signAgentToken } from '@lastcall/testkit';
import { generateKeyPairSync } from 'node:crypto';
import type { Bench } from './benchmark.js';
import type { Lastcall } from './lastcall.js';
import { startLightAgent, type LightAgentOptions } from './light-agent.js';

export interface LightHost extends Pick<LightAgentOptions, 'host' | 'facts' | 'onOrder'> {
  readonly installation: string;
  readonly role: commonV1.HostRole;
}

const VERSION = '1.0.0';

/** Joins a host as its agent does, with a key of its own, and starts a light agent on it; resolves when that is connected. */
export async function joinLightHost(bench: Bench, lastcall: Lastcall, light: LightHost): Promise<void> {
  const { installation, host, role, facts, onOrder } = light;
  const installer = lastcall.client('installer', installerV1.InstallerServiceService);
  const edge = lastcall.client('installer', hostEdgeV1.HostEdgeServiceService);
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const parent = formatName('installation', { installation });
  const { token } = await installer.createJoinToken({ parent, hostId: host, role, validMinutes: 10 });
  await edge.join({
    token,
    // The last 32 bytes of the SPKI form are the key itself.
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32),
    platform: 'linux-x64',
    agentVersion: '0.1.0',
    installedVersion: VERSION,
  });
  const channel = lastcall.channel('installer', () => signAgentToken(privateKey, installation, host));
  const agent = startLightAgent({ host, version: VERSION, channel, onOrder, ...(facts && { facts }) });
  bench.onEnd(() => agent.stop());
  await agent.connected;
}
