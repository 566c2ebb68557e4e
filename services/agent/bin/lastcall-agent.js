#!/usr/bin/env node
'use strict';
// Starts the agent on Node 24 or newer: this one, or the one that the workspace pins (node_modules/.bin/node). Which agent, the data folder says:
// one that has taken over there, or the one that came with this launcher.
const { existsSync } = require('node:fs');
const { spawn } = require('node:child_process');
const { dirname, join } = require('node:path');

const FLAGS = ['--disable-warning=ExperimentalWarning'];
const SMALL = ['--max-semi-space-size=4', '--heap-growing-percent=20'];
/** The agent says so when another one is to be started in its place. */
const FOLLOWED = 75;

function findPinned() {
  for (let dir = __dirname; dir !== dirname(dir); dir = dirname(dir)) {
    const node = join(dir, 'node_modules', '.bin', 'node');
    if (existsSync(node)) return node;
  }
  return undefined;
}

/** The arguments and signals are passed on; the agent ends when this process does. */
function runOn(node) {
  const child = spawn(node, [...FLAGS, join(__dirname, 'lastcall-agent.js'), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const passOn = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, passOn);
  child.on('exit', (code) => {
    for (const signal of signals) process.off(signal, passOn);
    if (code === FOLLOWED) runOn(node);
    else process.exit(code === null ? 1 : code);
  });
}

/** This process begins anew, as it was called, with its number, so that whoever watches it sees no end. */
function startAgain(flags = []) {
  const { argv, env, execArgv, execPath } = process;
  process.execve(execPath, [execPath, ...flags, ...execArgv, ...argv.slice(1)], env);
}

/**
 * Once more, in the same process, with a young generation that stays small and an old one that grows in small steps: V8 reads both when it starts.
 * Measured while 300 MB were staged: a peak of 114 MiB instead of 129, and no more processor time; with 30,000 files 160 instead of 164, and it matters
 * more the more there are. Whoever chose a size keeps it; a channel to a parent would be lost.
 */
function startAgainWithLessMemory() {
  const { channel, env, execArgv } = process;
  const isChosen = /semi.space/.test([...execArgv, env.NODE_OPTIONS].join(' '));
  if (!isChosen && !channel && process.platform !== 'win32') startAgain(SMALL);
}

/** An agent whose files are damaged is worse than an older one. */
function load(program) {
  try {
    if (program !== undefined) return require(program);
  } catch (error) {
    console.error(
      `lastcall-agent: ${program} cannot be loaded, so the agent that came with the launcher works:`,
      error,
    );
  }
  return require('../dist/main.js');
}

async function start() {
  const argv = process.argv.slice(2);
  const { chooseProgram } = require('../dist/program/choose-program.js');
  const code = await load(await chooseProgram(argv)).main(argv);
  // A parent that is a launcher starts the next one.
  if (code === FOLLOWED && !process.channel) startAgain();
  process.exit(code);
}

if (Number(process.versions.node.split('.')[0]) >= 24) {
  startAgainWithLessMemory();
  process.env.LASTCALL_AGENT_LAUNCHED = '1';
  // SQLite is new in Node and says so on every start; nobody who reads the agent's output can do anything about it.
  const { emitWarning } = process;
  process.emitWarning = (warning, ...rest) => {
    const type = typeof rest[0] === 'object' ? rest[0].type : rest[0];
    if (type !== 'ExperimentalWarning') emitWarning.call(process, warning, ...rest);
  };
  void start();
} else {
  const pinned = findPinned();
  if (pinned === undefined) {
    console.error(`lastcall-agent needs Node 24 or newer and this is ${process.version}; install it or run "npm ci".`);
    process.exit(2);
  }
  runOn(pinned);
}
