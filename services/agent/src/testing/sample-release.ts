import type { TestFile, TestRelease } from './tuf-repository.js';

/*
 * A small application with real commands. It keeps its data in `db.json` (its schema is the version that migrated it), writes down every
 * call, and misbehaves as `behaviour.json` in its data folder says: `{"11.1.0 health": "fail"}`, or `hang` until the entry is gone.
 */

const APP = `
const fs = require('node:fs'), path = require('node:path');
const env = process.env, data = env.LASTCALL_DATA_DIR, name = process.argv[2], version = env.LASTCALL_VERSION;
const at = (file) => path.join(data, file);
const read = (file) => { try { return JSON.parse(fs.readFileSync(at(file), 'utf8')); } catch { return undefined; } };
const write = (file, value) => { fs.writeFileSync(at(file + '.next'), JSON.stringify(value)); fs.renameSync(at(file + '.next'), at(file)); };
const behaviour = () => (read('behaviour.json') ?? {})[version + ' ' + name];
fs.appendFileSync(at('calls.txt'), version + ' ' + name + '\\n');
const copy = (from, to) => fs.copyFileSync(path.join(from, 'db.json'), path.join(to, 'db.json'));
async function main() {
  while (behaviour() === 'hang') await new Promise((r) => setTimeout(r, 20));
  if (behaviour() === 'fail') { console.error('told to fail: ' + name); process.exit(3); }
  switch (name) {
    case 'stop': write('running.json', ''); break;
    case 'start': write('running.json', version); break;
    case 'migrate': write('db.json', { ...(read('db.json') ?? { bookings: [] }), schema: version }); break;
    case 'health': if (read('running.json') !== version || read('db.json')?.schema !== version) process.exit(4); break;
    case 'backup': copy(data, env.LASTCALL_BACKUP_DIR); break;
    case 'verifyBackup': JSON.parse(fs.readFileSync(path.join(env.LASTCALL_BACKUP_DIR, 'db.json'), 'utf8')); break;
    case 'restore': copy(env.LASTCALL_BACKUP_DIR, data); break;
    case 'reindex': console.log('12 bookings'); break;
    case 'firstStart': write('first-start.json', { code: env.LASTCALL_FIRST_START_CODE, host: env.LASTCALL_HOST }); break;
  }
}
main();
`;

export const COMMAND_NAMES = ['stop', 'start', 'health', 'migrate', 'backup', 'restore', 'verifyBackup', 'firstStart'];

export interface SampleOptions {
  readonly role?: string;
  /** More of the manifest, after its head. */
  readonly more?: string;
  readonly files?: readonly TestFile[];
  readonly commands?: readonly string[];
  readonly timeout?: string;
}

export function sampleRelease(version: string, options: SampleOptions = {}): TestRelease {
  const { role = 'server', more = '', files = [], timeout = '10s' } = options;
  const names = (options.commands ?? COMMAND_NAMES).filter((n) => n !== 'firstStart' || role === 'terminal-server');
  const commands = names.map((n) => `    ${n}: { run: [node, app/main.js, ${n}], timeout: ${timeout} }`).join('\n');
  const others = role === 'server' ? '' : `  - { role: server, directory: server }\n`;
  const manifest = `product: encore
version: ${version}
title: Encore ${version}
artifacts:
  - { role: ${role}, directory: build }
${others}${more}commands:
  ${role}:
${commands}
`;
  return {
    product: 'encore',
    version,
    role,
    manifest,
    files: [
      { path: 'app/main.js', mode: 0o644, bytes: Buffer.from(APP) },
      { path: 'app/VERSION', mode: 0o644, bytes: Buffer.from(version) },
      { path: 'README', mode: 0o644, bytes: Buffer.from('the same in every version\n') },
      { path: 'bin/tool', mode: 0o755, bytes: Buffer.from('#!/bin/sh\nexit 0\n') },
      ...files,
    ],
  };
}
