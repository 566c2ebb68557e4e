import { openChannel, type Channel } from '@lastcall/sdk';
import { startChild } from '@lastcall/testkit';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../world/lastcall-processes.js';
import { servicesOn } from '../world/services.js';
import { createPlace } from '../world/world.js';
import { attachUsers, type AttachedUsers } from './attached.js';
import { askCertManager, issueCertificates, type ClusterCertificates } from './cluster-certificates.js';
import { deploy, makeNamespace, RELEASE, SERVICES, type Deployment, type Tags } from './deployment.js';
import { diagnose } from './diagnosis.js';
import { disturbancesOf } from './disturbances.js';
import { forwardMongodb, type ForwardedMongodb } from './forwarded-mongodb.js';
import { imagesFor } from './images.js';
import { kubectlIn, type Kubectl } from './kubectl.js';
import { parseOptions, USAGE, type Options } from './options.js';
import { tryPolicies } from './policies.js';
import { startProbe, type Probe } from './probe.js';
import { edgeAt, startPublicEdge, type PublicEdge } from './public-edge.js';
import { PHASES, updateOnAndOn, type Updates } from './updates.js';

/*
 * Lastcall on a real cluster, from its chart and its images: the demo's story through the public address; then users attached and updates going
 * on while everything is disturbed; then two releases side by side.
 */

// The hosts' agents are processes of whoever runs this, who may be root.
process.env['LASTCALL_AGENT_ALLOW_ROOT'] ??= '1';

interface Result {
  readonly part: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly found: object;
}

interface Scene {
  readonly options: Options;
  readonly kubectl: Kubectl;
  readonly edge: PublicEdge;
  readonly deployment: Deployment;
  readonly mongodb: ForwardedMongodb | undefined;
  readonly certificates: ClusterCertificates | undefined;
  openChannel(tokenFile?: string): Channel;
}

const MOST_PAUSE_MS = 30_000;
const SETTLE_MS = 120_000;
const RUN_MS = 240_000;

const say = (text: string): void => console.error(text);

async function play(options: Options, endings: (() => Promise<void>)[]): Promise<Result[]> {
  const kubectl = kubectlIn(`lastcall-e2e-${process.pid}`);
  if (!options.keep) endings.push(() => removeNamespace(kubectl));
  await makeNamespace(kubectl);
  return playIn(kubectl, options, endings).catch(async (error: unknown) => {
    say(await diagnose(kubectl));
    throw error;
  });
}

async function playIn(kubectl: Kubectl, options: Options, endings: (() => Promise<void>)[]): Promise<Result[]> {
  const mongodb = options.mongodb === '' ? undefined : await forwardMongodb(kubectl, options.mongodb);
  if (mongodb) endings.push(() => mongodb.remove());
  const certificates = options.tls ? await certificatesOf(kubectl, options) : undefined;
  const own = { image: options.edgeImage, release: RELEASE, ca: certificates?.ca };
  const edge = options.address === '' ? await startPublicEdge(kubectl, own) : edgeAt(options.address);
  say(`public address ${edge.address}; the chart is installed`);
  const began = Date.now();
  const first: Tags = options.previousTag === '' ? {} : allOf(options.previousTag);
  const tls = certificates?.tls ?? { enabled: false };
  const around = { mongodb: mongodb?.url ?? '', publicUrl: edge.url, tls };
  const deployment = await deploy(kubectl, { ...options, ...around }, first);
  if (!options.keep) endings.push(() => deployment.remove());
  await edge.answers();
  const openedChannels: Channel[] = [];
  endings.push(async () => openedChannels.forEach((channel) => channel.close()));
  const scene: Scene = {
    ...{ options, kubectl, edge, deployment, mongodb, certificates },
    openChannel: (tokenFile = deployment.operatorTokenFile) => {
      const credential = readFileSync(tokenFile, 'utf8').trim();
      const channel = openChannel({
        address: edge.address,
        credential: () => credential,
        connection: openedChannels.length,
      });
      openedChannels.push(channel);
      return channel;
    },
  };
  const results: Result[] = [{ part: 'install', ok: true, seconds: secondsSince(began), found: await podsOf(kubectl) }];
  if (options.parts.includes('chart-test')) results.push(await part('chart-test', kubectl, () => chartTest(scene)));
  if (options.parts.includes('story')) results.push(await part('story', kubectl, () => story(scene)));
  if (options.parts.includes('policies')) {
    const image = `${options.registry === '' ? '' : `${options.registry}/`}lastcall/cli:${options.tag}`;
    results.push(await part('policies', kubectl, () => tryPolicies(kubectl, image)));
  }
  if (options.parts.includes('disturbances')) results.push(...(await underLoad(scene, 'disturbed', disturb)));
  if (options.parts.includes('mixed') && options.previousTag !== '')
    results.push(...(await underLoad(scene, 'mixed', mix)));
  return results;
}

const certificatesOf = (kubectl: Kubectl, { clusterIssuer }: Options): Promise<ClusterCertificates> =>
  clusterIssuer === '' ? issueCertificates(kubectl) : askCertManager(kubectl, clusterIssuer);

const allOf = (tag: string): Tags => Object.fromEntries(SERVICES.map((service) => [service, tag]));

async function part(
  name: string,
  kubectl: Kubectl,
  work: () => Promise<{ ok: boolean; found: object }>,
): Promise<Result> {
  const began = Date.now();
  say(`── ${name}`);
  const { ok, found } = await work().catch((error: unknown) => ({
    ok: false,
    found: { error: error instanceof Error ? error.message : String(error) },
  }));
  const result = { part: name, ok, seconds: secondsSince(began), found };
  if (!ok) say(await diagnose(kubectl));
  say(`   ${ok ? 'ok' : 'FAILED'} after ${result.seconds} s  ${JSON.stringify(found)}`);
  return result;
}

const secondsSince = (began: number): number => Math.round((Date.now() - began) / 100) / 10;

async function chartTest({ kubectl }: Scene): Promise<{ ok: boolean; found: object }> {
  const said = await kubectl.helm(['test', RELEASE, '--timeout=300s'], { timeoutMs: 310_000 });
  return { ok: /Phase:\s+Succeeded/.test(said), found: {} };
}

/** The demo as an operator would play it from outside of the cluster. */
async function story({ edge, deployment }: Scene): Promise<{ ok: boolean; found: object }> {
  const where = ['--address', edge.address, '--catalog-url', edge.url, '--token-file', deployment.operatorTokenFile];
  const demo = startChild(process.execPath, [join(ROOT, 'tools/demo/dist/main.js'), ...where]);
  demo.onLine(say);
  const { code } = await demo.exited;
  const checks = demo.lines.filter((line) => /^ {2}[✔✘] /.test(line));
  const failed = checks.filter((line) => line.startsWith('  ✘')).map((line) => line.trim());
  return { ok: code === 0 && checks.length > 0, found: { checks: checks.length, failed, exitCode: code } };
}

interface Load {
  readonly scene: Scene;
  readonly updates: Updates;
  readonly attached: AttachedUsers;
  readonly probe: Probe;
}

/** Users attached, updates going on, each service asked all the time. */
async function underLoad(scene: Scene, name: string, work: (load: Load) => Promise<Result[]>): Promise<Result[]> {
  const lastcall = { grpcAddress: scene.edge.address, catalogUrl: scene.edge.url, ...scene.deployment };
  const alone = { users: 0, hosts: [{ id: 'srv', role: 'server' }] } as const;
  const quiet = await createPlace(lastcall, { installation: `${name}-quiet`, ...alone });
  const busy = await createPlace(lastcall, { installation: `${name}-busy` }).catch(async (error: unknown) => {
    await quiet.stop();
    throw error;
  });
  const services = servicesOn(scene.openChannel());
  const attached = await attachUsers({
    ...{ sessions: scene.options.sessions, installation: `${name}-quiet`, version: '1.0.0', services },
    openChannel: () => scene.openChannel(quiet.clientTokenFile),
  });
  say(`   ${scene.options.sessions} users are attached`);
  const load = { scene, attached, updates: updateOnAndOn(busy), probe: startProbe(services, quiet.parent) };
  try {
    const results = await work(load);
    return [...results, await part(`${name}: nothing was lost`, scene.kubectl, () => summed(load))];
  } finally {
    await load.probe.stop();
    await load.updates.stop();
    await attached.leave();
    for (const place of [busy, quiet]) await place.stop();
  }
}

async function summed({ updates, attached }: Load): Promise<{ ok: boolean; found: object }> {
  await updates.stop();
  await attached.settled(SETTLE_MS);
  const [users, runs] = [attached.findings(), updates.findings()];
  const ok = [users.lost, users.unheard, users.heardTwice, users.refused, runs.broken.length].every((n) => n === 0);
  return { ok: ok && runs.runs > 0 && users.said > 0, found: { users, runs } };
}

async function disturb(load: Load): Promise<Result[]> {
  const { scene } = load;
  const results: Result[] = [];
  const { certificates } = scene;
  const renewCertificates = certificates && (() => certificates.renew(scene.openChannel()));
  const disturbances = disturbancesOf({ ...scene, cutMongodb: scene.mongodb?.cut, renewCertificates });
  for (const [place, { name, happen }] of disturbances.entries()) {
    const phase = PHASES[place % PHASES.length] ?? 'installing';
    const inPhase = async (): Promise<void> => {
      await load.updates.reaches(phase, RUN_MS);
      await happen();
    };
    results.push(await part(`${name}, while a run is ${phase}`, scene.kubectl, () => observed(load, inPhase)));
  }
  return results;
}

async function observed({ attached, updates, probe }: Load, happen: () => Promise<void>) {
  probe.restart();
  const before = updates.findings().broken.length;
  await happen();
  await attached.settled(SETTLE_MS);
  await updates.oneMore(RUN_MS);
  const pausesMs = probe.pauses();
  const broken = updates.findings().broken.slice(before);
  const users = attached.findings();
  const ok = broken.length === 0 && Object.values(pausesMs).every((ms) => ms <= MOST_PAUSE_MS);
  return { ok, found: { pausesMs, runs: updates.ended, broken, lost: users.lost, unheard: users.unheard } };
}

/** Services of two releases at the same time, in each of several mixtures; in the end all are of the current one. */
async function mix(load: Load): Promise<Result[]> {
  const { options, deployment } = load.scene;
  const old = (services: readonly (typeof SERVICES)[number][]): Tags =>
    Object.fromEntries(services.map((service) => [service, options.previousTag]));
  const mixtures: readonly Tags[] = [
    old(['scheduler', 'session']),
    old(['catalog', 'preflight', 'installer']),
    old(['scheduler', 'installer']),
    old(['session', 'preflight']),
    {},
  ];
  const eachMs = (options.mixedMinutes * 60_000) / mixtures.length;
  const results: Result[] = [];
  for (const tags of mixtures) {
    const name = `of the release before: ${Object.keys(tags).join(', ') || 'none'}`;
    results.push(
      await part(name, load.scene.kubectl, async () => {
        await deployment.upgrade(tags);
        const until = Date.now() + eachMs;
        let seen = await observed(load, () => Promise.resolve());
        while (seen.ok && Date.now() < until) seen = await observed(load, () => Promise.resolve());
        return seen;
      }),
    );
  }
  return results;
}

async function podsOf(kubectl: Kubectl): Promise<object> {
  type Pods = { items: { metadata: { name: string }; status: { phase: string } }[] };
  const { items } = await kubectl.json<Pods>(['get', 'pods']);
  return { pods: items.filter(({ status }) => status.phase === 'Running').length };
}

async function removeNamespace(kubectl: Kubectl): Promise<void> {
  await kubectl.run(['delete', 'namespace', kubectl.namespace, '--timeout=120s'], { timeoutMs: 130_000 });
}

async function main(): Promise<void> {
  if (process.argv.includes('--help')) return console.log(USAGE);
  let options: Options;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  const endings: (() => Promise<void>)[] = [];
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => void endAll(endings).then(() => process.exit(130)));
  }
  try {
    const results = await play({ ...options, ...(await imagesFor(options, say)) }, endings);
    const ok = results.every((result) => result.ok);
    console.log(JSON.stringify({ ok, sessions: options.sessions, results }));
    process.exitCode = ok ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  } finally {
    await endAll(endings);
  }
  process.exit();
}

async function endAll(endings: (() => Promise<void>)[]): Promise<void> {
  for (let end = endings.pop(); end; end = endings.pop()) {
    await end().catch((error: unknown) => say(error instanceof Error ? error.message : String(error)));
  }
}

void main();
