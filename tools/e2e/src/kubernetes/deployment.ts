import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../world/lastcall-processes.js';
import type { Kubectl } from './kubectl.js';
import type { Options } from './options.js';

/* Lastcall from its chart, in a namespace that lets in nothing but restricted pods. */

export const SERVICES = ['catalog', 'scheduler', 'preflight', 'session', 'installer'] as const;
export type ServiceName = (typeof SERVICES)[number];

export const RELEASE = 'lastcall';
const CHART = join(ROOT, 'deploy/helm/lastcall');
const ROLLOUT_S = 300;
/** Replicas while it is disturbed: what has state in a folder has one. */
const REPLICAS: Readonly<Record<ServiceName, number>> = {
  catalog: 1,
  scheduler: 2,
  preflight: 2,
  session: 3,
  installer: 2,
};
/** So that a run is over soon. Hosts are given the time that they have in earnest: a catalog that is replaced may cost some of it. */
const SHORT_WAITS: Partial<Readonly<Record<ServiceName, object>>> = {
  installer: { settleMs: '2000' },
};

export interface Deployment {
  /** Holds an administrator's credential. */
  readonly operatorTokenFile: string;
  /** Images of the releases by service; those not named are the current ones. Resolves when all pods are ready. */
  upgrade(tags: Tags): Promise<void>;
  rollOut(service: ServiceName): Promise<void>;
  readyPods(service: ServiceName): Promise<readonly string[]>;
  remove(): Promise<void>;
}

export type Tags = Partial<Readonly<Record<ServiceName, string>>>;

export interface DeploymentOptions extends Pick<
  Options,
  'tag' | 'registry' | 'natsImage' | 'natsReplicas' | 'valuesFile'
> {
  /** As pods reach it; empty: the chart's own. */
  readonly mongodb: string;
  /** As hosts reach the catalog's files. */
  readonly publicUrl: string;
  /** The chart's `tls`. */
  readonly tls: object;
}

export async function makeNamespace(kubectl: Kubectl): Promise<void> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await kubectl.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: kubectl.namespace, labels } }]);
}

/**
 * Made before the pod that asks for it: where volumes are bound at once, a scheduler that looks a moment too early looks again after five
 * minutes, which was seen on Kubernetes 1.34.
 */
function claimOfNats(_: unknown, ordinal: number): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: `data-${RELEASE}-nats-${ordinal}` },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Gi' } } },
  };
}

export async function deploy(kubectl: Kubectl, options: DeploymentOptions, tags: Tags = {}): Promise<Deployment> {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-kubernetes-'));
  const upgrade = async (now: Tags): Promise<void> => {
    const file = join(folder, 'values.json');
    writeFileSync(file, JSON.stringify(valuesOf(options, now)));
    const files = [file, ...(options.valuesFile === '' ? [] : [options.valuesFile])];
    const values = files.flatMap((name) => ['--values', name]);
    const args = ['upgrade', '--install', RELEASE, CHART, ...values, '--wait', `--timeout=${ROLLOUT_S}s`];
    await kubectl.helm(args, { timeoutMs: (ROLLOUT_S + 30) * 1_000 });
  };
  await kubectl.apply(Array.from({ length: options.natsReplicas }, claimOfNats));
  await upgrade(tags);
  const operatorTokenFile = join(folder, 'operator.token');
  writeFileSync(operatorTokenFile, await operatorToken(kubectl), { mode: 0o600 });
  return {
    operatorTokenFile,
    upgrade,
    rollOut: async (service) => {
      const name = `deployment/${RELEASE}-${service}`;
      await kubectl.run(['rollout', 'restart', name]);
      await kubectl.run(['rollout', 'status', name, `--timeout=${ROLLOUT_S}s`], {
        timeoutMs: (ROLLOUT_S + 10) * 1_000,
      });
    },
    readyPods: (service) => readyPods(kubectl, service),
    remove: async () => {
      rmSync(folder, { recursive: true, force: true });
      await kubectl.helm(['uninstall', RELEASE, '--wait', '--timeout=120s'], { timeoutMs: 130_000 });
    },
  };
}

/** The public edge may come from anywhere: it stands where the operator names the ingress controller. */
function valuesOf(
  { tag, registry, natsImage, natsReplicas, tls, mongodb, publicUrl }: DeploymentOptions,
  tags: Tags,
): object {
  return {
    image: { registry, tag, tags },
    nats: { enabled: true, replicas: natsReplicas, ...(natsImage !== '' && { image: imageOf(natsImage) }) },
    ...(mongodb === '' ? { mongodb: { enabled: true } } : { store: { url: mongodb, auth: 'none' } }),
    tls,
    public: { catalogUrl: publicUrl },
    networkPolicy: { edge: [{ podSelector: { matchLabels: { app: 'public-edge' } } }] },
    ...Object.fromEntries(
      SERVICES.map((service) => [service, { replicas: REPLICAS[service], config: SHORT_WAITS[service] ?? {} }]),
    ),
  };
}

function imageOf(name: string): object {
  const colon = name.lastIndexOf(':');
  return { repository: name.slice(0, colon), tag: name.slice(colon + 1), pullPolicy: 'IfNotPresent' };
}

async function operatorToken(kubectl: Kubectl): Promise<string> {
  const { data } = await kubectl.json<{ data: Record<string, string> }>(['get', 'secret', `${RELEASE}-operator`]);
  return Buffer.from(data['operator.token'] ?? '', 'base64').toString();
}

async function readyPods(kubectl: Kubectl, service: ServiceName): Promise<readonly string[]> {
  type Pods = {
    items: {
      metadata: { name: string; deletionTimestamp?: string };
      status: { conditions?: { type: string; status: string }[] };
    }[];
  };
  const selector = `app.kubernetes.io/instance=${RELEASE},app.kubernetes.io/component=${service}`;
  const { items } = await kubectl.json<Pods>(['get', 'pods', '--selector', selector]);
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .filter(({ status }) => status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'))
    .map(({ metadata }) => metadata.name);
}
