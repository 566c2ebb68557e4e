#!/usr/bin/env node
'use strict';
// Starts the agent on Node 24 or newer: this one, or the one that the workspace pins (node_modules/.bin/node).
const { existsSync } = require('node:fs');
const { spawn } = require('node:child_process');
const { dirname, join } = require('node:path');

const FLAGS = ['--disable-warning=ExperimentalWarning'];
const SMALL = ['--max-semi-space-size=4', '--heap-growing-percent=20'];

function findPinned() {
  for (let dir = __dirname; dir !== dirname(dir); dir = dirname(dir)) {
    const node = join(dir, 'node_modules', '.bin', 'node');
    if (existsSync(node)) return node;
  }
  return undefined;
}

/** The arguments and signals are passed on; the agent ends when this process does. */
function runOn(node) {
  const child = spawn(node, [...FLAGS, join(__dirname, '..', 'dist', 'main.js'), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code) => process.exit(code === null ? 1 : code));
}

/**
 * Once more, in the same process, with a young generation that stays small and an old one that grows in small steps: V8 reads both when it starts.
 * Measured while 300 MB were staged: a peak of 114 MiB instead of 129, and no more processor time; with 30,000 files 160 instead of 164, and it matters
 * more the more there are. Whoever chose a size keeps it; a channel to a parent would be lost.
 */
function startAgainWithLessMemory() {
  const { argv, channel, env, execArgv, execPath } = process;
  const isChosen = /semi.space/.test([...execArgv, env.NODE_OPTIONS].join(' '));
  if (isChosen || channel || process.platform === 'win32') return;
  process.execve?.(execPath, [execPath, ...SMALL, ...execArgv, ...argv.slice(1)], env);
}

if (Number(process.versions.node.split('.')[0]) >= 24) {
  startAgainWithLessMemory();
  // SQLite is new in Node and says so on every start; nobody who reads the agent's output can do anything about it.
  const { emitWarning } = process;
  process.emitWarning = (warning, ...rest) => {
    const type = typeof rest[0] === 'object' ? rest[0].type : rest[0];
    if (type !== 'ExperimentalWarning') emitWarning.call(process, warning, ...rest);
  };
  void require('../dist/main.js')
    .main(process.argv.slice(2))
    .then((code) => process.exit(code));
} else {
  const pinned = findPinned();
  if (pinned === undefined) {
    console.error(`lastcall-agent needs Node 24 or newer and this is ${process.version}; install it or run "npm ci".`);
    process.exit(2);
  }
  runOn(pinned);
}
