import { Counter, Trend } from 'k6/metrics';

/*
 * What load.js tells a run of k6, its shape, and what it counts. A run says what it expects of every counter: what it does not name must
 * not happen at all. Times are only reported.
 */

/** `clients`, `users`, `address`, `protos`, `installation`, `credential`, `limitSeconds`, `summaryFile`, and what a script takes besides. */
export const load = JSON.parse(__ENV.LASTCALL_LOAD);

const COUNTS = [
  'attached', // Welcomed as a new session.
  'came_back', // Welcomed as the session that it was before.
  'other_session', // Came back and was another session.
  'let_in_while_shut', // A new session, though the gate was not open.
  'refused', // Because the gate is shut.
  'woken', // Told that the gate is open again.
  'told', // A notice, the first time that this client has it.
  'told_twice',
  'acknowledged',
  'ended', // By the deadline.
  'ended_early', // Before the notice's deadline, or in less than the reaction time.
  'left', // Said goodbye.
  'lost', // The stream ended without a reason.
  'heartbeats',
  'heartbeats_answered',
  'settled', // Has got the one fate that it can have.
  'odd', // What no client should see; the log says what.
];

const TIMES = [
  'attach_ms', // From the dialling to the welcome.
  'told_ms', // From the notice's time to the client.
  'reaction_ms', // From the notice's time to the end.
  'ended_after_deadline_ms',
  'back_ms', // From the loss to the welcome.
  'woken_ms', // From the service's word that the gate is open to the client that waits for it.
  'let_in_said_hello_at', // When clients that were let in said hello, in ms since 1970.
];

const metricsOf = (names, make) => Object.fromEntries(names.map((name) => [name, make(`lastcall_${name}`)]));

export const counts = metricsOf(COUNTS, (name) => new Counter(name));
export const times = metricsOf(TIMES, (name) => new Trend(name));

/** `any`: counters that depend on the run; load.js compares them with each other. */
export function shape(expected, any = []) {
  const known = COUNTS.filter((name) => !any.includes(name));
  const thresholds = known.map((name) => [`lastcall_${name}`, [`count==${expected[name] ?? 0}`]]);
  const users = { executor: 'per-vu-iterations', vus: load.users, iterations: 1, gracefulStop: '0s' };
  return {
    scenarios: { users: { ...users, maxDuration: `${load.limitSeconds}s` } },
    thresholds: Object.fromEntries(thresholds),
    summaryTrendStats: ['count', 'min', 'med', 'p(99)', 'max'],
  };
}

export function summary(data) {
  return { [load.summaryFile]: JSON.stringify(data.metrics) };
}
