import { rounded, runBenchmark, type Backends, type Bench } from '@lastcall/bench';
import { mongodbUrl, natsUrl } from '@lastcall/testkit';
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { prepareMachine } from './fanout/machine.js';
import { measure, type Measured } from './fanout/measure.js';
import { figuresOf, goalsOf, ratiosOf, tableOf } from './fanout/report.js';
import { TARGETS, TITLES, type Shape, type TargetName } from './fanout/shape.js';

/*
 * bench:fanout: a notice to thousands of sessions and their acknowledgements back, for Lastcall and its peers in the same run, with a
 * connection for each session and with ten sessions on each.
 */

const { values: options } = parseArgs({
  options: {
    clients: { type: 'string', default: '10000' },
    'per-connection': { type: 'string', default: '1,10' },
    rounds: { type: 'string', default: '5' },
    sentinels: { type: 'string', default: '200' },
    only: { type: 'string', default: TARGETS.join(',') },
    pair: { type: 'string', default: 'embedded' },
  },
});

function wholeNumber(name: 'clients' | 'rounds' | 'sentinels'): number {
  const value = Number(options[name]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${options[name]} is no number of ${name}`);
  return value;
}

function chosen(): TargetName[] {
  const names = options.only.split(',');
  const unknown = names.filter((name) => !TARGETS.some((target) => target === name));
  if (unknown.length > 0) throw new Error(`--only ${unknown.join(',')}: choose of ${TARGETS.join(', ')}`);
  return TARGETS.filter((target) => names.includes(target));
}

function shapes(): Shape[] {
  const shape = { clients: wholeNumber('clients'), rounds: wholeNumber('rounds'), sentinels: wholeNumber('sentinels') };
  return options['per-connection'].split(',').map((text) => {
    const perConnection = Number(text);
    if (!Number.isInteger(perConnection) || perConnection < 1 || perConnection > 100) {
      throw new Error(`--per-connection ${text}: 1 to 100 sessions`);
    }
    return { ...shape, perConnection };
  });
}

function backends(): Backends | undefined {
  if (options.pair === 'embedded') return undefined;
  const [nats, mongodb] = [natsUrl(), mongodbUrl()];
  if (options.pair === 'distributed' && nats !== undefined && mongodb !== undefined) return { nats, mongodb };
  throw new Error(
    `--pair ${options.pair}: embedded, or distributed with LASTCALL_TEST_NATS_URL and LASTCALL_TEST_MONGODB_URL`,
  );
}

/** Why a target cannot be measured here; undefined: it can. */
function whyNot(target: TargetName): string | undefined {
  if (target !== 'nats') return undefined;
  const { error } = spawnSync('nats-server', ['--version'], { stdio: 'ignore' });
  return error ? 'there is no nats-server in the PATH' : undefined;
}

async function run(bench: Bench): Promise<object> {
  const targets = chosen();
  const parts = { bench, backends: backends() };
  const all: Measured[] = [];
  const skipped: Record<string, string> = {};
  const machine = prepareMachine(
    Math.max(...shapes().map((s) => Math.ceil(s.clients / s.perConnection) + s.sentinels)),
  );
  if (!machine.isPinned) bench.say('programs are not pinned to processors: times say less');
  for (const shape of shapes()) {
    for (const target of targets) {
      const why = skipped[target] ?? whyNot(target);
      if (why !== undefined) {
        skipped[target] = why;
        bench.say(`${TITLES[target]} is left out: ${why}`);
        continue;
      }
      all.push(await measure(target, { ...parts, machine, shape }));
    }
  }
  process.stderr.write(`\n${tableOf(all)}\n`);
  const violations = all.flatMap(({ target, perConnection, violations: list }) =>
    list.map((violation) => `${target}, ${perConnection} a connection: ${violation}`),
  );
  for (const violation of violations) bench.say(violation);
  if (violations.length > 0) process.exitCode = 1;
  return {
    pair: options.pair,
    pinned: machine.isPinned,
    correct: violations.length === 0,
    violations,
    skipped,
    figures: all.map(figuresOf),
    goals: goalsOf(all),
    ratios: ratiosOf(all),
    elapsedS: rounded(performance.now() / 1_000),
  };
}

void runBenchmark('bench:fanout', run);
