// Builds a release of the agent: a folder with lastcall.yaml and the files, as "lastcall release publish" takes it. No other files are needed to run it
// than Node 24. The same sources give the same bytes.
import { buildSync } from 'esbuild';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const agent = join(root, 'services', 'agent');
const { version, license } = JSON.parse(readFileSync(join(agent, 'package.json'), 'utf8'));

const out = process.argv[2];
if (out === undefined || out.startsWith('-')) {
  console.error('usage: npm run build:agent -- FOLDER      what is in FOLDER/agent is replaced');
  process.exit(2);
}

const folder = resolve(process.env.INIT_CWD ?? '.', out);
const tree = join(folder, 'agent');
rmSync(tree, { recursive: true, force: true });
mkdirSync(join(tree, 'bin'), { recursive: true });
buildSync({
  absWorkingDir: root,
  entryPoints: {
    main: join(agent, 'src', 'main.ts'),
    'program/choose-program': join(agent, 'src', 'program', 'choose-program.ts'),
  },
  outdir: join(tree, 'dist'),
  bundle: true,
  platform: 'node',
  target: 'node24',
  conditions: ['@lastcall/source'],
  legalComments: 'eof',
  logLevel: 'error',
});
copyFileSync(join(agent, 'bin', 'lastcall-agent.js'), join(tree, 'bin', 'lastcall-agent.js'));
copyFileSync(join(root, 'LICENSE'), join(tree, 'LICENSE'));
const about = { name: 'lastcall-agent', version, license, engines: { node: '>=24' }, bin: 'bin/lastcall-agent.js' };
writeFileSync(join(tree, 'package.json'), `${JSON.stringify(about, null, 2)}\n`);
// One tree for all roles: a host looks for the artifact of its own.
const artifacts = ['server', 'terminal-server', 'workstation'].map((role) => `  - { role: ${role}, directory: agent }`);
const manifest = ['product: lastcall-agent', `version: ${version}`, `title: Lastcall agent ${version}`, 'artifacts:'];
writeFileSync(join(folder, 'lastcall.yaml'), `${[...manifest, ...artifacts, 'commands: {}'].join('\n')}\n`);
console.log(`Agent ${version} in ${folder}; publish it: lastcall release publish ${folder}`);
