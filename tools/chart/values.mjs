/*
 * Values to try: what goes together with what, and what has to be refused with which words.
 */

export const EVALUATION = { nats: { enabled: true }, mongodb: { enabled: true } };

/** As a site would write it: everything outside that can be, and switched on what there is. */
export const PRODUCTION = {
  image: { registry: 'registry.example.org', pullSecrets: ['registry'] },
  bus: { url: 'tls://nats-0.nats:4222,tls://nats-1.nats:4222,tls://nats-2.nats:4222' },
  store: {
    url: 'mongodb://mongodb-0.mongodb:27017,mongodb-1.mongodb:27017/?replicaSet=lastcall&authSource=admin&tls=true',
    adminUrlSecret: { name: 'mongodb-admin', key: 'url' },
  },
  tls: { enabled: true, certManager: { enabled: true, issuerRef: { name: 'lastcall-ca' } } },
  public: {
    kind: 'gateway',
    host: 'lastcall.example.org',
    gateway: { parentRefs: [{ name: 'public', namespace: 'gateways' }], backendCaConfigMap: 'lastcall-ca' },
  },
  common: { replicas: 3, config: { telemetry: 'otlp' } },
  catalog: { replicas: 2, persistence: { accessMode: 'ReadWriteMany', storageClassName: 'files' } },
  session: { autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 12, cpu: 75, memory: 0, sessions: 2500 } },
  networkPolicy: { edge: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'gateways' } } }] },
  metrics: {
    serviceMonitor: { enabled: true },
    prometheusRule: { enabled: true },
    dashboards: { enabled: true },
  },
};

const FULL_ACCESS = { enabled: true, minReplicas: 2, maxReplicas: 4, cpu: 80, memory: 80 };
const six = (name) => ({
  existingSecrets: Object.fromEntries(
    ['catalog', 'scheduler', 'preflight', 'session', 'installer', 'operator'].map((one) => [one, name(one)]),
  ),
});

/** Each switch with its positions; a position is what it adds to the values. */
export const SWITCHES = {
  bus: {
    'one NATS': { nats: { enabled: true } },
    'three NATS': { nats: { enabled: true, replicas: 3 } },
    'own NATS': { bus: { url: 'nats://a:4222,nats://b:4223', existingSecret: 'bus' } },
    'NATS without users': { nats: { enabled: true }, bus: { auth: 'none' } },
  },
  store: {
    'one MongoDB': { mongodb: { enabled: true } },
    'own MongoDB': { store: { url: 'mongodb+srv://db.example.org/?authSource=admin', existingSecret: 'store' } },
    'own MongoDB, its administrator': {
      store: { url: 'mongodb://db:27018/', adminUrlSecret: { name: 'admin', key: 'url' } },
    },
    'MongoDB without users': { mongodb: { enabled: true }, store: { auth: 'none' } },
  },
  identity: { made: {}, given: { identity: six((one) => `own-${one}`) } },
  prepare: { job: {}, 'no job': { prepare: { enabled: false } } },
  tls: {
    plain: {},
    'own certificates': { tls: { enabled: true, clientCerts: 'required' } },
    'cert-manager': { tls: { enabled: true, certManager: { enabled: true, issuerRef: { name: 'ca' } } } },
  },
  public: {
    none: {},
    ingress: {
      public: { kind: 'ingress', host: 'lastcall.example.org', ingress: { className: 'nginx', tlsSecret: 'tls' } },
    },
    gateway: {
      public: {
        kind: 'gateway',
        host: 'lastcall.example.org',
        gateway: { parentRefs: [{ name: 'public' }], backendCaConfigMap: 'ca' },
      },
    },
  },
  policies: {
    on: {},
    off: { networkPolicy: { enabled: false } },
    narrow: {
      networkPolicy: {
        ...Object.fromEntries(
          ['edge', 'metrics', 'dns', 'bus', 'store', 'apiServer'].map((one) => [
            one,
            [{ ipBlock: { cidr: '10.0.0.0/8' } }],
          ]),
        ),
        notifications: { to: [], ports: [] },
        extraEgress: [{ to: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: [{ port: 443 }] }],
      },
    },
  },
  metrics: {
    off: {},
    on: {
      metrics: { serviceMonitor: { enabled: true }, prometheusRule: { enabled: true }, dashboards: { enabled: true } },
    },
  },
  scale: {
    fixed: {},
    shared: { catalog: { persistence: { accessMode: 'ReadWriteMany' }, replicas: 2 }, common: { replicas: 4 } },
    automatic: {
      catalog: { persistence: { accessMode: 'ReadWriteMany', existingClaim: 'files' } },
      common: { autoscaling: FULL_ACCESS, podDisruptionBudget: { enabled: true, maxUnavailable: '25%' } },
      session: { autoscaling: { ...FULL_ACCESS, sessions: 1_000_000 } },
    },
  },
  common: {
    usual: {},
    placed: {
      fullnameOverride: 'updates',
      image: { tag: '1.2.3', pullSecrets: ['one'], digests: { cli: `sha256:${'0'.repeat(64)}` } },
      common: {
        config: { telemetry: 'otlp', logLevel: 'debug' },
        extraEnv: [{ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://otel:4317' }],
        podLabels: { team: 'a' },
        podAnnotations: { note: 'b' },
        nodeSelector: { 'kubernetes.io/os': 'linux' },
        tolerations: [{ key: 'a', operator: 'Exists' }],
        affinity: { podAntiAffinity: {} },
        extraVolumes: [{ name: 'ca', configMap: { name: 'ca' } }],
        extraVolumeMounts: [{ name: 'ca', mountPath: '/ca', readOnly: true }],
        topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
      },
      installer: {
        config: { settleMs: '200' },
        extraEnv: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'b', key: 'c' } } }],
      },
    },
  },
};

/** What fits together in no way; the chart refuses it, and REFUSALS has it. */
const impossible = ({ store, prepare }) => store.endsWith('its administrator') && prepare === 'no job';

export function merge(...parts) {
  const isMap = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
  return parts.reduce((all, part) => {
    for (const [key, value] of Object.entries(part)) {
      all[key] = isMap(value) ? merge(isMap(all[key]) ? all[key] : {}, value) : value;
    }
    return all;
  }, {});
}

/** Positions of all switches, so few that every two positions of two switches meet once. */
export function combinations() {
  const names = Object.keys(SWITCHES);
  const open = new Set();
  const pair = (a, x, b, y) => `${a}=${x}&${b}=${y}`;
  const pairsOf = (chosen) =>
    names.flatMap((a, i) =>
      names.slice(i + 1).flatMap((b) => (chosen[a] && chosen[b] ? [pair(a, chosen[a], b, chosen[b])] : [])),
    );
  for (const [i, a] of names.entries()) {
    for (const b of names.slice(i + 1)) {
      for (const x of Object.keys(SWITCHES[a])) {
        for (const y of Object.keys(SWITCHES[b])) {
          if (!impossible({ store: '', prepare: '', [a]: x, [b]: y })) open.add(pair(a, x, b, y));
        }
      }
    }
  }
  const found = [];
  while (open.size > 0) {
    const chosen = {};
    const [seed] = open;
    for (const half of seed.split('&')) chosen[half.slice(0, half.indexOf('='))] = half.slice(half.indexOf('=') + 1);
    for (const name of names) {
      if (chosen[name]) continue;
      const gain = (position) => pairsOf({ ...chosen, [name]: position }).filter((one) => open.has(one)).length;
      const fitting = Object.keys(SWITCHES[name]).filter(
        (p) => !impossible({ store: '', prepare: '', ...chosen, [name]: p }),
      );
      chosen[name] = fitting.toSorted((a, b) => gain(b) - gain(a))[0];
    }
    for (const one of pairsOf(chosen)) open.delete(one);
    found.push(chosen);
  }
  return found;
}

export const valuesOf = (chosen) =>
  merge(...Object.entries(chosen).map(([name, position]) => SWITCHES[name][position]));
