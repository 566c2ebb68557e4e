/**
 * The walls of the design (section 9). Each has a test that breaks it: tools/e2e/src/walls.spec.ts.
 */

/** Which folders may import a vendor library. One importer each. */
const VENDORS = {
  mongodb: ['libs/store', 'tools/path-backends.mjs'],
  '@nats-io/.*': ['libs/bus'],
  // In tools/load it is a peer that is measured.
  '@grpc/grpc-js': ['libs/runtime', 'libs/sdk', 'libs/contracts/src/gen', 'tools/load'],
  'intl-messageformat': ['services/session'],
  ws: ['tools/load'],
  'socket.io': ['tools/load'],
  jose: ['libs/runtime'],
  pino: ['libs/runtime'],
  zod: ['libs/runtime'],
  '@opentelemetry/.*': ['libs/runtime'],
  ajv: ['libs/contracts'],
  'ajv-formats': ['libs/contracts'],
  yaml: ['libs/contracts'],
  croner: ['services/scheduler'],
  nodemailer: ['services/scheduler'],
  'date-holidays': ['services/scheduler'],
  'tuf-js': ['libs/trust', 'services/agent'],
  '@tufjs/.*': ['libs/trust', 'services/agent'],
  'age-encryption': ['libs/trust'],
  commander: ['services/cli', 'services/agent'],
  'openid-client': ['services/cli/src/sign-in'],
  // The provider of the tests.
  'oidc-provider': ['tools/e2e'],
  '@inquirer/.*': ['services/cli'],
  '@bomb.sh/tab': ['services/cli'],
  tar: ['services/agent/src/backup'],
  semver: ['libs/contracts', 'services/catalog', 'services/preflight', 'services/agent'],
};

const SPECS = '\\.spec\\.ts$';
const SERVICES = '(catalog|scheduler|preflight|session|installer)';

/** libs/x may import only these libs. */
const LAYERS = {
  kernel: [],
  contracts: ['kernel'],
  trust: ['kernel'],
  bus: ['kernel', 'contracts'],
  store: ['kernel', 'contracts'],
  sdk: ['kernel', 'contracts'],
  runtime: ['kernel', 'contracts', 'bus', 'store', 'sdk'],
};

const vendorRules = Object.entries(VENDORS).map(([vendor, importers]) => ({
  name: `one-importer-${vendor.replaceAll(/[^a-z-]/g, '')}`,
  comment: `${vendor} is imported by ${importers.join(', ')} only`,
  severity: 'error',
  from: { pathNot: [...importers.map((path) => `^${path}(/|$)`), SPECS] },
  to: { path: `(^|/)node_modules/${vendor}/` },
}));

const layerRules = Object.entries(LAYERS).map(([lib, allowed]) => ({
  name: `layer-${lib}`,
  comment: `libs/${lib} imports ${allowed.length > 0 ? allowed.join(', ') : 'no other library of ours'}`,
  severity: 'error',
  from: { path: `^libs/${lib}/`, pathNot: SPECS },
  to: { path: '^(libs|services|tools)/', pathNot: `^libs/(${[lib, ...allowed].join('|')})/` },
}));

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: { pathNot: '/gen/' },
      to: { circular: true },
    },
    {
      name: 'services-never-import-services',
      comment: 'services/up composes them, and the command line starts it; nobody else',
      severity: 'error',
      from: {
        path: '^services/([^/]+)/',
        pathNot: ['^services/up/', '^services/cli/src/commands/(up|state|cluster)\\.ts$'],
      },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'up-imports-services-only',
      severity: 'error',
      from: { path: '^(services/up|services/cli/src/commands/(up|state|cluster)\\.ts)' },
      to: { path: '^services/', pathNot: `^services/(${SERVICES}|up|cli)/` },
    },
    {
      name: 'domain-imports-kernel-only',
      severity: 'error',
      from: { path: '^services/[^/]+/src/domain/', pathNot: SPECS },
      to: { pathNot: ['^libs/kernel/', '^services/[^/]+/src/domain/'] },
    },
    {
      name: 'agent-and-cli-use-the-public-contracts',
      severity: 'error',
      from: { path: '^services/(agent|cli)/', pathNot: SPECS },
      to: { path: '^libs/', pathNot: '^libs/(kernel|contracts|sdk|trust)/' },
    },
    {
      name: 'testkit-in-tests-only',
      severity: 'error',
      from: { path: '^(libs|services)/', pathNot: ['^libs/testkit/', SPECS] },
      to: { path: '^libs/testkit/' },
    },
    ...layerRules,
    ...vendorRules,
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@lastcall/source', 'node', 'require', 'default'],
    },
    extraExtensionsToScan: [],
  },
};
