#!/usr/bin/env node
'use strict';
/*
 * The launcher: runs on any Node that can read this file, hands over to the pinned Node 24 where this one is older, and
 * says so where there is none.
 */
const { existsSync } = require('node:fs');
const path = require('node:path');

const OLDEST = 24;
const HANDED_OVER = 'LASTCALL_LAUNCHED';
/** V8 reads it when it starts and never again. Why: services/session/src/young-generation.ts. */
const YOUNG = '--max-semi-space-size=8';

function pinnedNode() {
  for (let dir = __dirname; ; dir = path.dirname(dir)) {
    const candidate = path.join(dir, 'node_modules', '.bin', process.platform === 'win32' ? 'node.exe' : 'node');
    if (existsSync(candidate)) return candidate;
    if (dir === path.dirname(dir)) return undefined;
  }
}

/** Runs the same command on another Node, signals and exit code included. */
function handOver(node) {
  const { spawn } = require('node:child_process');
  const env = Object.assign({}, process.env, { [HANDED_OVER]: '1' });
  // The channel tells the other side when this process is gone, however it went.
  const stdio = ['inherit', 'inherit', 'inherit', 'ipc'];
  const flags = wantsYoung() ? [YOUNG] : [];
  const child = spawn(node, flags.concat(process.argv.slice(1)), { stdio, env });
  ['SIGINT', 'SIGTERM', 'SIGHUP'].forEach((signal) => process.on(signal, () => child.kill(signal)));
  child.on('error', tooOld);
  child.on('exit', (code) => process.exit(code === null ? 1 : code));
}

function endWithLauncher() {
  if (!process.channel) return;
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}

/** Of all commands only `up` stays and has thousands of sessions. */
function wantsYoung() {
  const isUp = process.argv.slice(2).find((arg) => !arg.startsWith('-')) === 'up';
  return isUp && !/semi.space/.test(process.execArgv.concat(process.env.NODE_OPTIONS || '').join(' '));
}

/** In this same process; where there is no such call, as on Windows, it takes more memory. */
function startAgainYoung() {
  if (!process.execve || process.platform === 'win32' || process.channel || !wantsYoung()) return;
  const flags = [YOUNG].concat(process.execArgv);
  process.execve(process.execPath, [process.execPath].concat(flags, process.argv.slice(1)), process.env);
}

function tooOld() {
  process.stderr.write(`lastcall needs Node ${OLDEST} or later; this is ${process.version}.\n`);
  process.exit(2);
}

/** node:sqlite is complete for what Lastcall uses of it; the warning says nothing that a user can act on. */
function silenceExperimentalWarnings() {
  const emit = process.emitWarning;
  process.emitWarning = function (warning, ...rest) {
    const type = typeof rest[0] === 'object' && rest[0] !== null ? rest[0].type : rest[0];
    if (type !== 'ExperimentalWarning') emit.call(process, warning, ...rest);
  };
}

if (Number(process.versions.node.split('.')[0]) >= OLDEST) {
  if (process.env[HANDED_OVER]) endWithLauncher();
  delete process.env[HANDED_OVER];
  silenceExperimentalWarnings();
  startAgainYoung();
  const main = path.join(__dirname, '..', 'dist', 'main.js');
  if (existsSync(main)) {
    require(main);
  } else {
    process.stderr.write('lastcall is not built yet; run "npm run build" first.\n');
    process.exit(2);
  }
} else {
  const node = pinnedNode();
  if (node === undefined || process.env[HANDED_OVER]) tooOld();
  else handOver(node);
}
