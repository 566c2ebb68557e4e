import { createTempFolder, startChild, type TempFolder } from '@lastcall/testkit';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openFrontDoor, type FrontDoor } from './world/front-door.js';
import { ROOT } from './world/lastcall-processes.js';

/*
 * The SDK as a vendor installs it: built, packed and unpacked, with the transport as its only dependency.
 */

const MAX_INSTALLED_BYTES = 300_000;
const SDK = join(ROOT, 'libs/sdk');
/** Ten lines are enough for a countdown. */
const PROGRAM = `
import { attachSession } from '@lastcall/sdk';

const session = attachSession({
  user: 'ada',
  version: '1.0.0',
  keepAlive: true,
  onAttached: () => console.log('attached'),
  onCountdown: (seconds, notice) => console.log(seconds + ' s: ' + notice.text),
  onLogoff: async (reason) => console.log('saved, because of ' + reason),
  onReopened: () => console.log('back again'),
});
`;

function run(command: string, args: readonly string[], cwd: string): string {
  const done = spawnSync(command, [...args], { cwd, encoding: 'utf8' });
  if (done.status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${done.status}: ${done.stderr}${done.stdout}`);
  return done.stdout;
}

function bytesIn(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
}

describe('the package', () => {
  let folder: TempFolder;
  let door: FrontDoor;
  /** As `npm install` leaves it. */
  let installed: string;

  beforeAll(async () => {
    folder = await createTempFolder('package');
    const built = join(folder.path, 'built');
    run(process.execPath, [join(SDK, 'build-package.mjs'), built], SDK);
    const [packed] = JSON.parse(run('npm', ['pack', '--json', '--offline', built], folder.path)) as [
      { filename: string },
    ];
    run('tar', ['-xzf', packed.filename], folder.path);
    installed = join(folder.path, 'app/node_modules/@lastcall/sdk');
    mkdirSync(join(folder.path, 'app/node_modules/@grpc'), { recursive: true });
    cpSync(join(folder.path, 'package'), installed, { recursive: true });
    // Real packages, found as an install would put them.
    symlinkSync(join(ROOT, 'node_modules/@grpc/grpc-js'), join(folder.path, 'app/node_modules/@grpc/grpc-js'));
    symlinkSync(join(ROOT, 'node_modules/@types'), join(folder.path, 'app/node_modules/@types'));
    door = await openFrontDoor();
  }, 120_000);
  afterAll(async () => {
    await door.stop();
    await folder.remove();
  });

  it('is smaller than 300 kB, depends on the transport only, and installs nothing', () => {
    expect(bytesIn(installed)).toBeLessThanOrEqual(MAX_INSTALLED_BYTES);
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Record<string, unknown>;
    expect(manifest['dependencies']).toEqual({ '@grpc/grpc-js': '1.14.7' });
    expect(manifest['scripts']).toBeUndefined();
    expect(manifest['private']).toBeUndefined();
    expect(readdirSync(installed).sort()).toEqual(['LICENSE', 'README.md', 'index.d.ts', 'package.json', 'sdk.js', 'types']); // prettier-ignore
    const code = readFileSync(join(installed, 'sdk.js'), 'utf8');
    const required = new Set([...code.matchAll(/require\("([^"]+)"\)/g)].map(([, name = '']) => name));
    expect([...required].filter((name) => !/^(node:)?(fs|path|crypto|timers\/promises|diagnostics_channel|process|child_process|net)$/.test(name))).toEqual(['@grpc/grpc-js']); // prettier-ignore
  });

  it('exports what the workspace exports', () => {
    const listed = `console.log(Object.keys(require('@lastcall/sdk')).sort().join())`;
    const names = run(process.execPath, ['-e', listed], join(folder.path, 'app')).trim();
    const here = run(process.execPath, ['-e', listed], SDK).trim();
    expect(names).toBe(here);
  });

  it('has types that a strict compiler accepts, also for the examples', () => {
    const app = join(folder.path, 'app');
    cpSync(join(SDK, 'examples'), app, { recursive: true, filter: (path) => !/[/\\](dist|python)$/.test(path) });
    writeFileSync(join(app, 'program.ts'), PROGRAM);
    const compilerOptions = { strict: true, noEmit: true, module: 'nodenext', target: 'es2022', types: ['node'] };
    writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    expect(run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', app], app)).toBe('');
  });

  it('has a page for everything that it exports, without a warning', () => {
    const docs = join(folder.path, 'docs');
    run(join(ROOT, 'node_modules/.bin/typedoc'), ['--options', join(SDK, 'typedoc.json'), '--out', docs], ROOT);
    const pages = readdirSync(docs, { recursive: true, encoding: 'utf8' });
    for (const page of [
      'functions/attachSession.html',
      'interfaces/SessionCallbacks.html',
      'functions/updateNow.html',
    ]) {
      expect(pages).toContain(page);
    }
  });

  it('carries a session from an ES module: counted down, saved, back again', async () => {
    const file = join(folder.path, 'app/program.mjs');
    writeFileSync(file, PROGRAM);
    const program = startChild(process.execPath, [file], door.env);
    try {
      await program.until(/^attached$/);
      await door.shut(1_500);
      await program.until(/^2 s: .*We move house/);
      await program.until(/^1 s: /);
      await program.until(/^saved, because of deadline$/);
      await door.open();
      await program.until(/^back again$/);
      await door.hasInside(['ada']);
    } finally {
      await program.stop();
    }
  });
});
