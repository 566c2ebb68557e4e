import { ROOT, rounded, type Backends, type Bench } from '@lastcall/bench';
import { join } from 'node:path';
import type { Machine } from '../fanout/machine.js';
import { startK6 } from './k6.js';
import type { LoadOptions } from './options.js';
import { startPlace, type Place } from './place.js';
import { readResults, type Check, type Times } from './results.js';
import { reactionMsFor, type Compare, type Scenario, type Stage } from './scenario.js';

/*
 * One scenario from its beginning to its end, in a place of its own, which nothing before it has touched. Whatever goes wrong is an assertion
 * that does not hold, and what k6 has counted until then is told all the same.
 */

export interface ScenarioResult {
  readonly scenario: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly checks: readonly Check[];
  readonly counts: Readonly<Record<string, number>>;
  readonly times: Readonly<Record<string, Times>>;
  readonly figures: Readonly<Record<string, number>>;
}

export interface Surroundings {
  readonly bench: Bench;
  readonly options: LoadOptions;
  readonly machine: Machine;
  readonly backends: Backends | undefined;
}

/** Clients that attach in a second, at least, on a machine that has much else to do. */
const SLOWEST_PER_SECOND = 100;
/** How long clients listen for a notice that comes twice, before they log off. */
const LISTEN_MS = 1_500;
/** After its last client k6 has nothing to do; sometimes it does not hear of the end of a stream. */
const END_MS = 10_000;
/** Default of the installations for 1,000 who wait on a replica; more of them would wait in proportion. */
const RAMP_MS = 10_000;

export async function runScenario(around: Surroundings, scenario: Scenario): Promise<ScenarioResult> {
  const { bench, options, backends, machine } = around;
  const began = performance.now();
  const place = await startPlace(bench, {
    name: scenario.name,
    replicas: options.replicas,
    backends,
    // Several processes and a database would have to share what one process has for itself.
    under: backends ? [] : machine.server,
    sessionEnv: scenario.sessionEnv ?? {},
    reopeningRampMs: Math.round(Math.min(RAMP_MS, (RAMP_MS * 1_000) / options.clients)),
  });
  try {
    const outcome = await playOut(around, scenario, place);
    const seconds = rounded((performance.now() - began) / 1_000);
    return { scenario: scenario.name, ok: outcome.checks.every(({ ok }) => ok), seconds, ...outcome };
  } finally {
    await place.stop();
  }
}

type Outcome = Omit<ScenarioResult, 'scenario' | 'ok' | 'seconds'>;

async function playOut(around: Surroundings, scenario: Scenario, place: Place): Promise<Outcome> {
  const { bench, options, machine, backends } = around;
  await scenario.prepare?.(place);
  const clients = scenario.clientsOfK6?.(options) ?? options.clients;
  const reactionMs = reactionMsFor(clients);
  const patienceMs = 30_000 + (clients / SLOWEST_PER_SECOND) * 1_000;
  const { address, installation, credential } = place;
  const k6 = startK6({
    bench,
    script: scenario.name,
    under: backends ? [] : machine.clients,
    load: {
      ...{ clients, users: Math.min(options.users, clients), address, installation, credential, reactionMs },
      protos: join(ROOT, 'proto'),
      listenMs: LISTEN_MS,
      limitSeconds: Math.ceil((2 * patienceMs + reactionMs + options.idleMs) / 1_000),
      ...scenario.script?.(options),
    },
  });
  const checks: Check[] = [];
  const figures: Record<string, number> = {};
  const stage: Stage = {
    ...{ options, clients, reactionMs, place, stations: k6.stations, patienceMs },
    say: (text) => bench.say(`${scenario.name}: ${text}`),
    check: (check) => checks.push(check),
    figure: (name, value) => (figures[name] = rounded(value)),
  };
  const compare = await conduct(scenario, stage);
  const summary = await k6.end(compare === 'broken off' ? 0 : END_MS);
  if (summary === undefined) {
    checks.push({ what: 'results of k6', expected: 'some', found: 'none', ok: false });
    return { checks, counts: {}, times: {}, figures };
  }
  const results = readResults(summary);
  if (typeof compare === 'function') checks.push(...compare(results));
  return { ...results, checks: [...results.checks, ...checks], figures };
}

/** What cannot go on is told as an assertion. */
async function conduct(scenario: Scenario, stage: Stage): Promise<Compare | 'broken off' | undefined> {
  try {
    return (await scenario.conduct(stage)) ?? undefined;
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    stage.say(found);
    stage.check({ what: 'the scenario was played to its end', expected: 'so', found, ok: false });
    return 'broken off';
  }
}
