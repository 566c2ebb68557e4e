import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { SERVICES, type Deployment } from './deployment.js';
import type { Kubectl } from './kubectl.js';

/* What happens to pods, servers and nodes on an ordinary night, each by itself. */

export interface Disturbance {
  readonly name: string;
  /** Resolves when everything is ready again. */
  readonly happen: () => Promise<void>;
}

export interface Disturbed {
  readonly kubectl: Kubectl;
  readonly deployment: Deployment;
  /** Of a MongoDB beside the cluster: ends its connections and takes none for a while. */
  readonly cutMongodb: ((forMs: number) => Promise<void>) | undefined;
  /** Resolves when every service shows its new one. */
  readonly renewCertificates: (() => Promise<void>) | undefined;
}

const AWAY_MS = 5_000;
/** Shorter than what a cluster waits before it gives a node up (40 s). */
const KUBELET_PAUSE_MS = 30_000;
const READY_PATIENCE_MS = 120_000;

export function disturbancesOf(disturbed: Disturbed): readonly Disturbance[] {
  const { kubectl, deployment, cutMongodb, renewCertificates } = disturbed;
  const kubelet = kubeletHere();
  return [
    ...SERVICES.map((service) => ({
      name: `rolling upgrade of ${service}`,
      happen: () => deployment.rollOut(service),
    })),
    ...SERVICES.map((service) => ({
      name: `a pod of ${service} is killed`,
      happen: () => killPod(disturbed, service),
    })),
    { name: 'NATS is restarted', happen: () => restartStatefulSet(kubectl, 'nats') },
    cutMongodb
      ? { name: `MongoDB is away for ${AWAY_MS / 1_000} s`, happen: () => cutMongodb(AWAY_MS) }
      : { name: 'MongoDB is restarted', happen: () => restartStatefulSet(kubectl, 'mongodb') },
    ...(renewCertificates ? [{ name: 'certificates are renewed', happen: renewCertificates }] : []),
    ...(kubelet === undefined
      ? []
      : [{ name: `the kubelet hangs for ${KUBELET_PAUSE_MS / 1_000} s`, happen: () => pauseProcess(kubelet) }]),
  ];
}

/** As when a machine is given up: gone from the API at once. The kubelet, which is there, still gives the process a short time to stop. */
async function killPod({ kubectl, deployment }: Disturbed, service: (typeof SERVICES)[number]): Promise<void> {
  const before = await deployment.readyPods(service);
  const [victim] = before;
  if (victim === undefined) throw new Error(`no pod of ${service} is ready`);
  await kubectl.run(['delete', 'pod', victim, '--grace-period=0', '--force']);
  for (const end = Date.now() + READY_PATIENCE_MS; ; await delay(500)) {
    const now = await deployment.readyPods(service);
    if (now.length >= before.length && !now.includes(victim)) return;
    if (Date.now() > end) throw new Error(`only ${now.length} of ${before.length} pods of ${service} came back`);
  }
}

async function restartStatefulSet(kubectl: Kubectl, component: string): Promise<void> {
  const selector = `app.kubernetes.io/component=${component}`;
  const name = (await kubectl.run(['get', 'statefulset', '--selector', selector, '-o', 'name'])).trim();
  if (name === '') throw new Error(`there is no StatefulSet with ${selector}`);
  await kubectl.run(['rollout', 'restart', name]);
  await kubectl.run(['rollout', 'status', name, '--timeout=120s'], { timeoutMs: 130_000 });
}

/** Process id of a kubelet on this machine; undefined where the nodes are elsewhere. */
function kubeletHere(): number | undefined {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (readFileSync(`/proc/${entry}/comm`, 'utf8').trim() === 'kubelet') return Number(entry);
    } catch {
      // It ended meanwhile.
    }
  }
  return undefined;
}

async function pauseProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  try {
    await delay(KUBELET_PAUSE_MS);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}
