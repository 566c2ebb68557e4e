import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/*
 * Each wall of the design (section 9) holds: a tree that breaks every rule once is refused by every rule, and the same
 * tree without the breaches passes.
 */

const ROOT = resolve(__dirname, '../../..');
const CONFIG = join(ROOT, '.dependency-cruiser.cjs');

interface Rule {
  readonly name: string;
  readonly comment?: string;
  readonly to: { readonly path?: string };
}
// eslint-disable-next-line @typescript-eslint/no-require-imports -- the rule file is CommonJS, as the tool wants it
const { forbidden } = require(CONFIG) as { forbidden: readonly Rule[] };

/** A file for each rule that breaks it, by the rule's name. Layers and vendors follow from the rules themselves. */
const BREACHES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'no-cycles': {
    'libs/kernel/src/a.ts': "import './b.js';\nexport const a = 1;\n",
    'libs/kernel/src/b.ts': "import './a.js';\nexport const b = 1;\n",
  },
  'services-never-import-services': { 'services/session/src/x.ts': "import '../../catalog/src/ok.js';\n" },
  'up-imports-services-only': { 'services/up/src/x.ts': "import '../../agent/src/ok.js';\n" },
  'domain-imports-kernel-only': { 'services/session/src/domain/x.ts': "import 'node:fs';\n" },
  'agent-and-cli-use-the-public-contracts': { 'services/agent/src/x.ts': "import '../../../libs/store/src/ok.js';\n" },
  'testkit-in-tests-only': { 'services/preflight/src/x.ts': "import '../../../libs/testkit/src/ok.js';\n" },
};

function breachOf({ name }: Rule): Readonly<Record<string, string>> {
  const layer = /^layer-(.+)$/.exec(name)?.[1];
  if (layer !== undefined) return { [`libs/${layer}/src/layer.ts`]: "import '../../../services/catalog/src/ok.js';\n" };
  const vendor = VENDOR_PACKAGES[name];
  if (vendor !== undefined) return { [`tools/demo/src/${name}.ts`]: `import '${vendor}';\n` };
  return BREACHES[name] ?? {};
}

/** A package that each vendor rule is about; the rule's name cannot be turned back into it. */
const VENDOR_PACKAGES: Readonly<Record<string, string>> = Object.fromEntries(
  [
    'mongodb',
    '@nats-io/nats-core',
    '@grpc/grpc-js',
    'jose',
    'pino',
    'zod',
    '@opentelemetry/api',
    'ajv',
    'ajv-formats',
    'yaml',
    'croner',
    'tuf-js',
    '@tufjs/models',
    'age-encryption',
    'commander',
    '@inquirer/prompts',
    '@bomb.sh/tab',
    'semver',
    'intl-messageformat',
    'ws',
    'socket.io',
    'date-holidays',
    'tar',
    'nodemailer',
    'openid-client',
    'oidc-provider',
  ].map((name) => {
    const rule = forbidden.find((r) => r.name.startsWith('one-importer-') && matches(r, name));
    return [rule?.name ?? `no rule for ${name}`, name];
  }),
);

function matches(rule: Rule, name: string): boolean {
  return new RegExp(rule.to.path ?? 'never').test(`node_modules/${name}/index.js`);
}

const GOOD: Readonly<Record<string, string>> = {
  'libs/kernel/src/ok.ts': 'export const ok = 1;\n',
  'libs/store/src/ok.ts': "import 'mongodb';\nimport '../../kernel/src/ok.js';\n",
  'libs/testkit/src/ok.ts': "import '../../store/src/ok.js';\n",
  'services/catalog/src/ok.ts': "import '../../../libs/store/src/ok.js';\nimport './domain/ok.js';\n",
  'services/catalog/src/domain/ok.ts': "import '../../../../libs/kernel/src/ok.js';\n",
  'services/catalog/src/ok.spec.ts': "import '../../../libs/testkit/src/ok.js';\n",
  'services/agent/src/ok.ts': "import '../../../libs/kernel/src/ok.js';\n",
  'services/up/src/ok.ts': "import '../../catalog/src/ok.js';\n",
};

describe('the walls', () => {
  let tree: string;
  beforeEach(() => (tree = mkdtempSync(join(tmpdir(), 'lastcall-walls-'))));
  afterEach(() => rmSync(tree, { recursive: true, force: true }));

  function write(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      writeFileSync(join(tree, path), text);
    }
  }

  function broken(): readonly string[] {
    for (const name of Object.values(VENDOR_PACKAGES)) {
      write({ [`node_modules/${name}/index.js`]: '', [`node_modules/${name}/package.json`]: `{"name":"${name}"}` });
    }
    mkdirSync(join(tree, 'tools'), { recursive: true });
    const args = ['--config', CONFIG, '--output-type', 'json', 'libs', 'services', 'tools'];
    const run = spawnSync(join(ROOT, 'node_modules/.bin/depcruise'), args, { cwd: tree, encoding: 'utf8' });
    const { summary } = JSON.parse(run.stdout) as { summary: { violations: { rule: { name: string } }[] } };
    return [...new Set(summary.violations.map((v) => v.rule.name))].sort();
  }

  it('let a good tree through', () => {
    write(GOOD);
    expect(broken()).toEqual([]);
  });

  it('each stop what they are there to stop', () => {
    write(GOOD);
    for (const rule of forbidden) write(breachOf(rule));
    expect(broken()).toEqual(expect.arrayContaining(forbidden.map((r) => r.name).sort()));
  });
});
