import { buildSync } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTrustedState } from './trusted-state.js';

/*
 * The trusted state on a disk whose process is killed (SIGKILL) before each call that it makes of the file system, and in the middle of a write: afterwards
 * there is the old state or the new one, and it can be written again.
 */

const OLD = new Map([
  ['root', Buffer.from('{"root":1}')],
  ['timestamp', Buffer.from('{"timestamp":1}')],
]);
const NEW = new Map([
  ['root', Buffer.from('{"root":2}')],
  ['timestamp', Buffer.from('{"timestamp":2}')],
  ['product-encore', Buffer.from('ü'.repeat(20_000))],
]);

/** Says each call, and kills its process before the one with this number; a write that it is killed in has done half of it. */
const WATCHED = `
const fs = require('node:fs');
let calls = 0;
for (const name of ['mkdirSync', 'openSync', 'writeSync', 'fsyncSync', 'closeSync', 'renameSync', 'unlinkSync', 'rmSync', 'writeFileSync']) {
  const real = fs[name];
  fs[name] = (...args) => {
    if (++calls === Number(process.env.KILL_AT)) {
      if (name === 'writeSync') real(args[0], args[1].subarray(0, args[1].length >> 1));
      process.kill(process.pid, 'SIGKILL');
    }
    if (process.env.CALLS) process.stdout.write(name + (name === 'fsyncSync' && fs.fstatSync(args[0]).isDirectory() ? ' folder' : '') + '\\n');
    return real(...args);
  };
}
const { openTrustedState } = require('./state.cjs');
openTrustedState(process.env.DIR).save(new Map(JSON.parse(process.env.ROLES).map(([role, text]) => [role, Buffer.from(text)])));
`;

describe('the trusted state', () => {
  const home = mkdtempSync(join(tmpdir(), 'lastcall-state-'));
  const dir = join(home, 'tuf');
  const state = openTrustedState(dir);
  beforeAll(() => {
    const from = { entryPoints: [join(__dirname, 'trusted-state.ts')], outfile: join(home, 'state.cjs') };
    buildSync({ ...from, bundle: true, platform: 'node', target: 'node24', conditions: ['@lastcall/source'] });
    writeFileSync(join(home, 'watched.cjs'), WATCHED);
  });
  beforeEach(() => state.save(OLD));
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  function save(env: Record<string, string>) {
    const roles = JSON.stringify([...NEW].map(([role, bytes]) => [role, bytes.toString()]));
    const all = { ...process.env, DIR: dir, ROLES: roles, ...env };
    return spawnSync(process.execPath, [join(home, 'watched.cjs')], { env: all, encoding: 'utf8' });
  }

  it('is on the disk before its name is, and its name is when the save is over', () => {
    const { stdout, status } = save({ CALLS: '1' });
    expect(status).toBe(0);
    expect(stdout.trim().split('\n')).toEqual([
      'mkdirSync',
      'openSync',
      'writeSync',
      'fsyncSync',
      'closeSync',
      'renameSync',
      'openSync',
      'fsyncSync folder',
      'closeSync',
    ]);
    expect(state.load()).toEqual(NEW);
  });

  it('is the old one or the new one, whenever the process is killed', () => {
    const seen: string[] = [];
    let killed = true;
    for (let call = 1; killed; call++) {
      state.save(OLD);
      killed = save({ KILL_AT: String(call) }).signal === 'SIGKILL';
      const now = state.load();
      seen.push(now.get('root')?.toString() ?? '');
      expect(now).toEqual(now.get('root')?.equals(OLD.get('root') as Buffer) ? OLD : NEW);
      state.save(NEW);
      expect(state.load()).toEqual(NEW);
    }
    // Killed before each of nine calls; the tenth time nothing kills it.
    expect(seen).toEqual([...Array<string>(6).fill('{"root":1}'), ...Array<string>(4).fill('{"root":2}')]);
  });

  it('leaves nothing beside it', () => {
    save({ KILL_AT: '5' });
    state.save(NEW);
    expect(readdirSync(dir)).toEqual(['trusted.json']);
    expect(readFileSync(join(dir, 'trusted.json'), 'utf8')).toContain('"sha256"');
  });
});
