/* Values that have to be refused, and words that the refusal has to have: where it is, and what would be right. */

const evaluation = { nats: { enabled: true }, mongodb: { enabled: true } };
const with_ = (more) => ({ ...evaluation, ...more });

export const REFUSALS = [
  ['nothing at all', {}, ['bus.url is empty', 'nats.enabled', 'store.url is empty', 'mongodb.enabled']],
  ['a value that is not there', with_({ natz: {} }), ["additional properties 'natz' not allowed"]],
  ['a value of a service that is not there', with_({ session: { replica: 3 } }), ['/session', "'replica'"]],
  ['sessions for who has none', with_({ catalog: { persistance: {} } }), ['/catalog', "'persistance'"]],
  ['a number as a text', with_({ scheduler: { replicas: '2' } }), ['/scheduler/replicas', 'want integer']],
  ['no replicas', with_({ session: { replicas: 0 } }), ['/session/replicas', 'minimum']],
  ['two NATS', { ...evaluation, nats: { enabled: true, replicas: 2 } }, ['/nats/replicas', '1, 3']],
  ['four copies', with_({ bus: { replicas: 4 } }), ['/bus/replicas', '1, 3, 5']],
  ['NATS by HTTP', { mongodb: { enabled: true }, bus: { url: 'http://nats:4222' } }, ['/bus/url', 'nats|tls']],
  ['a password in the address', { mongodb: { enabled: true }, bus: { url: 'nats://a:b@nats:4222' } }, ['/bus/url']],
  ['a password of MongoDB', { nats: { enabled: true }, store: { url: 'mongodb://a:b@host/' } }, ['/store/url']],
  ['another store', { nats: { enabled: true }, store: { url: 'postgres://host/' } }, ['/store/url', 'mongodb']],
  [
    'two of each',
    { ...evaluation, bus: { url: 'nats://a' }, store: { url: 'mongodb://a' } },
    ['choose one', 'nats.enabled', 'mongodb.enabled'],
  ],
  ['a prefix that the users of NATS do not know', with_({ prefix: 'other' }), ['prefix is not lastcall', 'bus.url']],
  ['a prefix that is none', with_({ prefix: 'Last.Call' }), ['/prefix']],
  [
    'a setting that is a number',
    with_({ installer: { config: { settleMs: 200 } } }),
    ['/installer/config/settleMs', 'want string'],
  ],
  [
    'a setting by its variable',
    with_({ common: { config: { LASTCALL_SETTLE_MS: '1' } } }),
    ['/common/config', "'LASTCALL_SETTLE_MS' not allowed"],
  ],
  ['a setting of the chart', with_({ catalog: { config: { dataDir: '/x' } } }), ['/catalog/config/dataDir']],
  [
    'half an identity',
    with_({ identity: { existingSecrets: { catalog: 'mine' } } }),
    ['identity.existingSecrets', 'all of them, or none'],
  ],
  ['replicas on one disk', with_({ catalog: { replicas: 2 } }), ['persistence.accessMode', 'ReadWriteMany']],
  [
    'replicas on one disk, automatic',
    with_({ common: { autoscaling: { enabled: true } } }),
    ['persistence.accessMode', 'ReadWriteMany'],
  ],
  [
    'an access mode that is none',
    with_({ catalog: { persistence: { accessMode: 'RWX' } } }),
    ['/catalog/persistence/accessMode', 'ReadWriteMany'],
  ],
  ['a size that is none', with_({ catalog: { persistence: { size: '50 GB' } } }), ['/catalog/persistence/size']],
  [
    'less than the least',
    with_({ session: { autoscaling: { enabled: true, minReplicas: 5, maxReplicas: 2, cpu: 75, memory: 0 } } }),
    ['session.autoscaling', 'minReplicas'],
  ],
  [
    'scaling by nothing',
    with_({ session: { autoscaling: { enabled: true, minReplicas: 1, maxReplicas: 2, cpu: 0, memory: 0 } } }),
    ['session.autoscaling', 'cpu or memory'],
  ],
  [
    'an end before its begin',
    with_({ common: { preStopSleepSeconds: 60, terminationGracePeriodSeconds: 60 } }),
    ['catalog.terminationGracePeriodSeconds', 'preStopSleepSeconds'],
  ],
  ['an address without a name', with_({ public: { kind: 'ingress' } }), ['public.host is empty']],
  [
    'a gateway without one',
    with_({ public: { kind: 'gateway', host: 'a.example' } }),
    ['public.gateway.parentRefs is empty'],
  ],
  [
    'a kind that is none',
    with_({ public: { kind: 'loadbalancer' } }),
    ['/public/kind', "'none', 'ingress', 'gateway'"],
  ],
  ['a host with a scheme', with_({ public: { kind: 'ingress', host: 'https://a.example' } }), ['/public/host']],
  [
    'an issuer without a name',
    with_({ tls: { enabled: true, certManager: { enabled: true } } }),
    ['tls.certManager.issuerRef.name is empty'],
  ],
  [
    'cert-manager without TLS',
    with_({ tls: { certManager: { enabled: true, issuerRef: { name: 'a' } } } }),
    ['tls.certManager.enabled needs tls.enabled'],
  ],
  [
    'certificates of callers that are none',
    with_({ tls: { enabled: true, clientCerts: 'maybe' } }),
    ['/tls/clientCerts', "'asked', 'required'"],
  ],
  [
    'users by nobody',
    {
      nats: { enabled: true },
      store: { url: 'mongodb://a', adminUrlSecret: { name: 'a' } },
      prepare: { enabled: false },
    },
    ['prepare.enabled', 'users'],
  ],
  [
    'an administrator, and passwords that the job does not know',
    { nats: { enabled: true }, store: { url: 'mongodb://a', existingSecret: 'b', adminUrlSecret: { name: 'a' } } },
    ['store.adminUrlSecret', 'store.existingSecret'],
  ],
  [
    'an administrator of a MongoDB that makes its users',
    with_({ store: { adminUrlSecret: { name: 'a' } } }),
    ['store.adminUrlSecret', 'mongodb.enabled'],
  ],
  ['a digest that is none', with_({ image: { digests: { cli: 'latest' } } }), ['/image/digests/cli', 'sha256']],
  [
    'a digest of no image',
    with_({ image: { digests: { agent: `sha256:${'0'.repeat(64)}` } } }),
    ['/image/digests', "'agent'"],
  ],
  [
    'a peer that is none',
    with_({ networkPolicy: { edge: [{ cidr: '10.0.0.0/8' }] } }),
    ['/networkPolicy/edge/0', "'cidr'"],
  ],
  [
    'a port that is none',
    with_({ networkPolicy: { notifications: { ports: [0] } } }),
    ['/networkPolicy/notifications/ports/0'],
  ],
  ['a name that is too long', with_({ fullnameOverride: 'a'.repeat(41) }), ['/fullnameOverride']],
  ['a variable without a name', with_({ common: { extraEnv: [{ value: 'a' }] } }), ['/common/extraEnv/0', 'name']],
];
