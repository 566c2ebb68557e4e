/** One configuration for all projects. Tests run on the sources (condition @lastcall/source), so they need no build. */
const esm = [
  'jose',
  'openid-client',
  'oauth4webapi',
  'oidc-provider',
  '@nats-io',
  'tuf-js',
  '@tufjs',
  'age-encryption',
  '@noble',
  '@scure',
  'croner',
  '@opentelemetry',
  'commander',
  '@inquirer',
  '@bomb.sh',
  'yaml',
  'intl-messageformat',
  '@formatjs',
];

// Tests may run as root, in a container for example, and so do the agents that they start.
process.env.LASTCALL_AGENT_ALLOW_ROOT ??= '1';

module.exports = {
  rootDir: __dirname,
  roots: ['<rootDir>/libs', '<rootDir>/services', '<rootDir>/tools'],
  testMatch: ['**/src/**/*.spec.ts'],
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['@lastcall/source', 'node', 'require', 'default'] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.(t|j|mj)s$': [
      '@swc/jest',
      { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esm.join('|')})/)`],
  modulePathIgnorePatterns: ['/dist/'],
  testTimeout: 60_000,
  maxWorkers: 2,
};
