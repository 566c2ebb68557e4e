import { createLog, joinInstallation, openAgent, type Agent } from '@lastcall/agent';
import { layoutOf, openKeyRing, rotateKeyHere } from '@lastcall/agent/testing';
import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1, hostEdgeV1, installerV1 } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { sha256Hex } from '@lastcall/kernel';
import { createClient, toCallError } from '@lastcall/sdk';
import { createTempFolder, signAgentToken, startStack, until, type Stack, type TempFolder } from '@lastcall/testkit';
import { existsSync, readFileSync, utimesSync } from 'node:fs';
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { join } from 'node:path';

/*
 * The keys of hosts from the join to their end: real agents, a catalog and an installer. Whatever dies while one key follows the other, the host gets in with what
 * lies on its disk, and in the end with that key alone.
 */

const SITE = 'berlin';
const PARENT = `installations/${SITE}`;
const DAY_MS = 86_400_000;

describe('the key of a host', () => {
  let folder: TempFolder;
  let stack: Stack;
  const agents: Agent[] = [];
  beforeAll(async () => {
    folder = await createTempFolder('keys');
    stack = await startStack({ modules: [catalogModule, installerModule] });
    const catalog = stack.client(catalogV1.CatalogServiceService);
    await catalog.createProduct({ productId: 'encore', product: catalogV1.Product.fromPartial({ title: 'Encore' }) });
    const kind = commonV1.InstallationKind.MULTI_USER;
    const about = { title: SITE, product: 'encore', kind, channel: 'stable', timeZone: 'UTC' };
    const installation = catalogV1.Installation.fromPartial(about);
    await catalog.createInstallation({ installationId: SITE, installation });
  });
  afterEach(() => Promise.all(agents.splice(0).map((agent) => agent.stop())));
  afterAll(async () => {
    await stack.stop();
    await folder.remove();
  });

  const installer = () => stack.client(installerV1.InstallerServiceService);
  const dirOf = (host: string): string => join(folder.path, host);
  const layout = (host: string) => layoutOf(dirOf(host));
  const keyOf = (host: string): KeyObject => createPrivateKey(readFileSync(layout(host).identity));
  const fingerprintOf = (host: string): string => sha256Hex(openKeyRing(layout(host)).current.publicKey);
  const known = async (host: string) =>
    (await installer().getHost({ name: `${PARENT}/hosts/${host}` })).host ?? installerV1.Host.create();

  async function joinHost(host: string, more: { newKey?: boolean } = {}): Promise<void> {
    const request = { parent: PARENT, hostId: host, role: commonV1.HostRole.WORKSTATION, validMinutes: 0 };
    const { token } = await installer().createJoinToken(request);
    await joinInstallation({
      dataDir: dirOf(host),
      address: stack.grpcAddress,
      token,
      env: {},
      tlsCaFile: '',
      ...more,
    });
  }
  async function start(host: string, more: { keyMaxAgeMs?: number } = {}): Promise<Agent> {
    const log = createLog(() => undefined);
    const agent = await openAgent({ dataDir: dirOf(host), log, antivirus: [], heartbeatMs: 200, ...more });
    agents.push(agent);
    agent.start();
    return agent;
  }
  const connected = (host: string) =>
    until(async () => (await known(host)).connected, `${host} to be connected`, 10_000);

  /** What both services say to a credential that was signed with this key. */
  async function verdictOn(host: string, key: KeyObject): Promise<string> {
    const credential = signAgentToken(key, SITE, host);
    const edge = createClient(hostEdgeV1.HostEdgeServiceService, stack.channelWith(credential));
    const edgeSays = await edge.getCatchUp({}).then(
      () => 'in',
      (error: unknown) => (toCallError(error).reason === 'BAD_CREDENTIAL' ? 'out' : 'in'),
    );
    const { status } = await fetch(`${stack.httpUrl}/tuf/timestamp.json`, {
      headers: { authorization: `Bearer ${credential}` },
    });
    return `${edgeSays}, ${status === 401 ? 'out' : 'in'}`;
  }
  const judged = (host: string, key: KeyObject, verdict: string) =>
    until(async () => (await verdictOn(host, key)) === verdict, `${verdict} for a key of ${host}`, 10_000);

  /** The key that lies on the disk is the only one, at each service. */
  async function hasFollowed(host: string, old: KeyObject): Promise<void> {
    const isKnown = async () => (await known(host)).keyFingerprint === fingerprintOf(host);
    await until(async () => !keyOf(host).equals(old) && (await isKnown()), 'the new key to be known', 10_000);
    await judged(host, old, 'out, out');
    await judged(host, keyOf(host), 'in, in');
    await connected(host);
    expect(existsSync(layout(host).nextIdentity) || existsSync(layout(host).keyAsked)).toBe(false);
  }

  it('is followed by another one when somebody wants it, while the agent runs', async () => {
    await joinHost('asked');
    const old = keyOf('asked');
    await start('asked');
    await connected('asked');
    await judged('asked', old, 'in, in');
    expect(await rotateKeyHere(dirOf('asked'))).toBe(fingerprintOf('asked'));
    await hasFollowed('asked', old);
  });

  it('is followed by another one at its age, and not before', async () => {
    await joinHost('aged');
    const old = keyOf('aged');
    const agedAs = (days: number): void => {
      const at = new Date(Date.now() - days * DAY_MS);
      utimesSync(layout('aged').identity, at, at);
    };
    agedAs(89);
    const agent = await start('aged');
    await connected('aged');
    await until(async () => (await known('aged')).lastSeenTime !== undefined, 'a sign of life');
    expect(openKeyRing(layout('aged')).isDue(90 * DAY_MS)).toBe(false);
    await agent.stop();
    agents.splice(0);
    agedAs(91);
    await start('aged');
    await hasFollowed('aged', old);
  });

  it('is followed without an agent that runs, and both work until it does', async () => {
    await joinHost('alone');
    const old = keyOf('alone');
    await rotateKeyHere(dirOf('alone'));
    await judged('alone', old, 'in, in');
    await judged('alone', keyOf('alone'), 'in, in');
    await start('alone');
    await hasFollowed('alone', old);
  });

  it.each<[string, 'made' | 'said' | 'followed']>([
    ['the next one lay on the disk', 'made'],
    ['the services had heard of the next one', 'said'],
    ['the next one had become the current one', 'followed'],
  ])('works after a crash when %s', async (_, point) => {
    const host = `crash-${point}`;
    await joinHost(host);
    const old = keyOf(host);
    const ring = openKeyRing(layout(host));
    const { publicKey } = ring.next();
    const edge = createClient(hostEdgeV1.HostEdgeServiceService, stack.channelWith(signAgentToken(old, SITE, host)));
    if (point !== 'made') await edge.rotateKey({ publicKey: Buffer.from(publicKey) });
    if (point === 'followed') await ring.follow(publicKey);
    await judged(host, keyOf(host), 'in, in');
    await start(host);
    await hasFollowed(host, old);
    expect(fingerprintOf(host)).toBe(sha256Hex(publicKey));
  });

  it('is one of 32 bytes, and is not followed twice in a minute', async () => {
    await joinHost('hasty');
    const edge = createClient(
      hostEdgeV1.HostEdgeServiceService,
      stack.channelWith(signAgentToken(keyOf('hasty'), SITE, 'hasty')),
    );
    const say = (bytes: number, length = 32) => edge.rotateKey({ publicKey: Buffer.alloc(length, bytes) });
    await expect(say(1, 31)).rejects.toMatchObject({ violations: [{ field: 'public_key' }] });
    await say(1);
    await say(1);
    await expect(say(2)).rejects.toMatchObject({ reason: 'KEY_JUST_ROTATED' });
  });

  it('is cut off by an operator: nothing is open to it, and the host comes back with another one only', async () => {
    await joinHost('stolen');
    const stolen = keyOf('stolen');
    const agent = await start('stolen');
    await connected('stolen');
    await judged('stolen', stolen, 'in, in');
    const name = `${PARENT}/hosts/stolen`;
    await expect(installer().cutOffHost({ name, reason: '' })).rejects.toMatchObject({
      violations: [{ field: 'reason' }],
    });
    const { host } = await installer().cutOffHost({ name, reason: 'a laptop is gone' });
    expect(host).toMatchObject({ cutOff: true, connected: false });
    await judged('stolen', stolen, 'out, out');
    expect((await known('stolen')).connected).toBe(false);
    await agent.stop();
    agents.splice(0);

    await expect(joinHost('stolen')).rejects.toMatchObject({ reason: 'KEY_CUT_OFF' });
    await joinHost('stolen', { newKey: true });
    await start('stolen');
    await connected('stolen');
    expect((await known('stolen')).cutOff).toBe(false);
    await judged('stolen', stolen, 'out, out');
    await judged('stolen', keyOf('stolen'), 'in, in');
    const nobody = installer().cutOffHost({ name: `${PARENT}/hosts/nobody`, reason: 'x' });
    await expect(nobody).rejects.toMatchObject({ reason: 'NOT_FOUND' });
  });
});
