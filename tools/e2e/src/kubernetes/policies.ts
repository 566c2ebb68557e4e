import { setTimeout as delay } from 'node:timers/promises';
import { ROOT } from '../world/lastcall-processes.js';
import { RELEASE, SERVICES } from './deployment.js';
import { execute, type Kubectl } from './kubectl.js';

/*
 * Who reaches whom, tried from inside: each pod knocks at each port of all others, and at nothing else may anybody answer than what the code
 * calls. A stranger, a pod of the namespace that is none of the release, gets nowhere. A cluster whose network plugin enforces no policies
 * shows itself by the stranger, who then gets everywhere.
 */

interface Pod {
  readonly name: string;
  readonly address: string;
}

interface Target {
  /** `session:7421`. */
  readonly name: string;
  readonly pod: string;
  readonly host: string;
  readonly port: number;
}

const STRANGER = 'stranger';
const GRPC = 7421;
const HTTP = 7420;
const HEALTH = 7422;
const METRICS = 9464;
const NATS = { client: 4222, routes: 6222, monitor: 8222 } as const;
const KNOCK_MS = 2_000;
/** A network plugin follows pods with some delay. */
const PATIENCE_MS = 60_000;

/** Prints what of its arguments (`host:port`) takes a connection. Plugins drop what is denied, or refuse it. */
const KNOCK = `
  const knock = (target) => new Promise((resolve) => {
    const at = target.lastIndexOf(':');
    const socket = require('node:net').connect({ host: target.slice(0, at), port: Number(target.slice(at + 1)) });
    const end = (is) => { socket.destroy(); resolve(is ? [target] : []); };
    socket.setTimeout(${KNOCK_MS}, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
  Promise.all(process.argv.slice(1).map(knock)).then((found) => console.log(JSON.stringify(found.flat())));
`;

export async function tryPolicies(kubectl: Kubectl, image: string): Promise<{ ok: boolean; found: object }> {
  await kubectl.apply([stranger(image)]);
  try {
    await kubectl.run(['wait', `pod/${STRANGER}`, '--for=condition=Ready', '--timeout=60s'], { timeoutMs: 70_000 });
    const allowed = new Set(await arrowsOfTheDesign());
    for (const end = Date.now() + PATIENCE_MS; ; await delay(2_000)) {
      const { arrows, tried } = await arrowsNow(kubectl);
      const open = arrows.filter((arrow) => !allowed.has(arrow));
      const shut = [...allowed].filter((arrow) => !arrows.includes(arrow));
      const isOpen = SERVICES.every((service) => arrows.includes(`${STRANGER} → ${service}:${GRPC}`));
      if (isOpen) return { ok: true, found: { enforced: false, tried } };
      const ok = open.length + shut.length === 0;
      if (ok || Date.now() > end) return { ok, found: { enforced: true, tried, allowed: allowed.size, open, shut } };
    }
  } finally {
    await kubectl.run(['delete', 'pod', STRANGER, '--grace-period=1']);
  }
}

/** `scheduler → session:7421`: what the sources call, and the bus for all. */
async function arrowsOfTheDesign(): Promise<readonly string[]> {
  const source = `import('./tools/chart/arrows.mjs').then((m) => console.log(JSON.stringify(m.arrowsOfTheCode())))`;
  const said = await execute(process.execPath, ['--input-type=module', '-e', source], { cwd: ROOT });
  return [...(JSON.parse(said) as string[]), ...SERVICES.map((service) => `${service} → nats:${NATS.client}`)];
}

async function arrowsNow(kubectl: Kubectl): Promise<{ arrows: readonly string[]; tried: number }> {
  const pods = await podsOf(kubectl);
  const targets = [...pods].flatMap(([name, { address }]) =>
    portsOf(name).map((port): Target => ({ name: `${name}:${port}`, pod: name, host: address, port })),
  );
  const knocked = await Promise.all(
    [...pods].flatMap(([from, pod]) => {
      if (from === 'nats') return [];
      return [
        knock(
          kubectl,
          from,
          pod,
          targets.filter((target) => target.pod !== from),
        ),
      ];
    }),
  );
  return { arrows: knocked.flatMap(({ reached }) => reached), tried: knocked.reduce((sum, k) => sum + k.tried, 0) };
}

function portsOf(name: string): readonly number[] {
  if (name === STRANGER) return [];
  if (name === 'nats') return Object.values(NATS);
  return [GRPC, HEALTH, METRICS, ...(name === 'catalog' ? [HTTP] : [])];
}

async function knock(
  kubectl: Kubectl,
  from: string,
  pod: Pod,
  targets: readonly Target[],
): Promise<{ reached: readonly string[]; tried: number }> {
  const where = new Map(targets.map((target) => [`${target.host}:${target.port}`, target.name]));
  const said = await kubectl.run(['exec', pod.name, '--', 'node', '-e', KNOCK, ...where.keys()]);
  const reached = (JSON.parse(said) as string[]).map((address) => `${from} → ${where.get(address) ?? address}`);
  return { reached, tried: targets.length };
}

/** One ready pod of each service, of NATS, and the stranger. */
async function podsOf(kubectl: Kubectl): Promise<ReadonlyMap<string, Pod>> {
  type Pods = {
    items: {
      metadata: { name: string; labels: Record<string, string>; deletionTimestamp?: string };
      status: { podIP?: string; phase: string };
    }[];
  };
  const { items } = await kubectl.json<Pods>(['get', 'pods']);
  const found = new Map<string, Pod>();
  for (const { metadata, status } of items) {
    const isOurs = metadata.labels['app.kubernetes.io/instance'] === RELEASE;
    const name = isOurs ? metadata.labels['app.kubernetes.io/component'] : metadata.labels['app'];
    const isThere = status.phase === 'Running' && metadata.deletionTimestamp === undefined;
    const isMeant = name !== undefined && [...SERVICES, 'nats', STRANGER].includes(name);
    if (isMeant && isThere && status.podIP) found.set(name, { name: metadata.name, address: status.podIP });
  }
  return found;
}

function stranger(image: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: STRANGER, labels: { app: STRANGER } },
    spec: {
      automountServiceAccountToken: false,
      restartPolicy: 'Never',
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: STRANGER,
          image,
          imagePullPolicy: 'IfNotPresent',
          command: ['node', '-e', 'setInterval(() => undefined, 1000)'],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  };
}
