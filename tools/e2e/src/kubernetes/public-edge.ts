import { setTimeout as delay } from 'node:timers/promises';
import type { Kubectl } from './kubectl.js';
import { SERVICES } from './deployment.js';

/*
 * Where a cluster has its ingress controller, and this test brings one of its own, so that it runs on every cluster: Caddy on one
 * port of the nodes. gRPC goes to a service by its name, everything else over HTTP to the catalog; to the pods, as ingress controllers do it.
 */

export interface PublicEdge {
  /** `host:port` for gRPC. */
  readonly address: string;
  /** `http://host:port` for blobs and metadata. */
  readonly url: string;
  /** Resolves when there is something behind it. */
  answers(): Promise<void>;
}

const NAME = 'public-edge';
const PORT = 8080;
const GRPC_PORT = 7421;
const HTTP_PORT = 7420;

/** Areas of the contracts that a service serves besides its own, on the one address; as the chart's routes have it. */
const ALSO: Readonly<Record<string, readonly string[]>> = { catalog: ['identity'], scheduler: ['operations'] };

/** The cluster's own ingress or gateway. */
export function edgeAt(address: string): PublicEdge {
  const url = `http://${address}`;
  // The catalog asks for a credential; the edge by itself would say that it knows no such path.
  return { address, url, answers: () => answers(`${url}/tuf/root.json`, 401) };
}

export interface OwnEdge {
  readonly image: string;
  readonly release: string;
  /** Of the services' certificates, PEM; undefined: they speak plain text. */
  readonly ca: string | undefined;
}

export async function startPublicEdge(kubectl: Kubectl, { image, release, ca }: OwnEdge): Promise<PublicEdge> {
  const labels = { app: NAME };
  await kubectl.apply([
    ...SERVICES.map((service) => podsOf(service, release)),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: NAME },
      data: { Caddyfile: caddyfile(kubectl.namespace, release, ca !== undefined), 'ca.crt': ca ?? '' },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: NAME },
      spec: { type: 'NodePort', selector: labels, ports: [{ name: 'public', port: PORT, targetPort: PORT }] },
    },
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: NAME }, spec: deployment(image, labels) },
    openFor(labels),
  ]);
  await kubectl.run(['rollout', 'status', `deployment/${NAME}`, '--timeout=120s'], { timeoutMs: 130_000 });
  const address = await nodeAddress(kubectl);
  const url = `http://${address}`;
  return { address, url, answers: () => answers(`${url}/healthz`, 200) };
}

/** Every ready pod of the service under one name. */
function podsOf(service: string, release: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `${NAME}-${service}` },
    spec: {
      clusterIP: 'None',
      selector: { 'app.kubernetes.io/instance': release, 'app.kubernetes.io/component': service },
      ports: [{ name: 'grpc', port: GRPC_PORT }],
    },
  };
}

function caddyfile(namespace: string, release: string, isTls: boolean): string {
  const upstream = (service: string, port: number): string =>
    `dynamic a {
      name ${NAME}-${service}.${namespace}.svc.cluster.local
      port ${port}
      refresh 1s
    }
    lb_policy round_robin
    lb_try_duration 10s
    lb_try_interval 100ms`;
  const transport = (service: string, versions: string): string => `transport http {
      versions ${versions}
      ${isTls ? `tls_trust_pool file /etc/caddy/ca.crt\n      tls_server_name ${release}-${service}.${namespace}.svc` : ''}
    }`;
  const grpc = (service: string, paths: string): string => `
  @${service} path ${paths}
  reverse_proxy @${service} {
    ${upstream(service, GRPC_PORT)}
    ${transport(service, isTls ? '2' : 'h2c')}
  }`;
  const routes = SERVICES.map((service) => {
    const areas = [service, ...(ALSO[service] ?? [])];
    return grpc(service, areas.map((area) => `/lastcall.${area}.*`).join(' '));
  });
  return `{
  admin off
  auto_https off
  persist_config off
  servers {
    protocols h1 h2c
  }
}
:${PORT} {${routes.join('')}
  reverse_proxy {
    ${upstream('catalog', HTTP_PORT)}
    ${transport('catalog', '1.1')}
  }
}
`;
}

function deployment(image: string, labels: object): object {
  const container = {
    name: 'caddy',
    image,
    imagePullPolicy: 'IfNotPresent',
    command: ['caddy', 'run', '--config', '/etc/caddy/Caddyfile', '--adapter', 'caddyfile'],
    env: [
      { name: 'XDG_DATA_HOME', value: '/tmp' },
      { name: 'XDG_CONFIG_HOME', value: '/tmp' },
    ],
    ports: [{ containerPort: PORT }],
    readinessProbe: { tcpSocket: { port: PORT }, periodSeconds: 1 },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'config', mountPath: '/etc/caddy' },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
  return {
    replicas: 1,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [container],
        volumes: [
          { name: 'config', configMap: { name: NAME } },
          { name: 'tmp', emptyDir: {} },
        ],
      },
    },
  };
}

/** The chart denies everything that it does not name; this stands where the operator names the ingress controller. */
function openFor(labels: object): object {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: NAME },
    spec: { podSelector: { matchLabels: labels }, policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] },
  };
}

async function nodeAddress(kubectl: Kubectl): Promise<string> {
  const { spec } = await kubectl.json<{ spec: { ports: { nodePort: number }[] } }>(['get', 'service', NAME]);
  return `${await internalAddressOfANode(kubectl)}:${spec.ports[0]?.nodePort ?? 0}`;
}

export async function internalAddressOfANode(kubectl: Kubectl): Promise<string> {
  type Nodes = { items: { status: { addresses: { type: string; address: string }[] } }[] };
  const { items } = await kubectl.json<Nodes>(['get', 'nodes']);
  const found = items[0]?.status.addresses.find(({ type }) => type === 'InternalIP');
  if (found) return found.address;
  throw new Error('no node has an internal address');
}

async function answers(url: string, expected: number): Promise<void> {
  for (const end = Date.now() + 60_000; ; await delay(200)) {
    const status = await fetch(url).then(
      (answer) => answer.status,
      (error: unknown) => String(error),
    );
    if (status === expected) return;
    if (Date.now() > end) throw new Error(`${url} does not answer: ${status}`);
  }
}
