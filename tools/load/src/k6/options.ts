import { parseArgs } from 'node:util';

/* What a person may choose. */

export const SCENARIO_NAMES = [
  'steady',
  'logoff',
  'login-storm',
  'reconnect-storm',
  'slow-readers',
  'gate-race',
] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

export interface LoadOptions {
  readonly clients: number;
  /** Users of k6, among whom the clients are divided. */
  readonly users: number;
  readonly scenarios: readonly ScenarioName[];
  /** Of the session service, on NATS and MongoDB; 0: one process on SQLite. */
  readonly replicas: number;
  /** How long everybody is idle in `steady`. */
  readonly idleMs: number;
  /** Where the results go as well; empty: nowhere. */
  readonly out: string;
}

export const USAGE = `npm run load -- [--clients 1000] [--scenario ${SCENARIO_NAMES.join(',')}]
                    [--replicas 3] [--idle 25] [--out FILE]`;

/** The shape that was checked: 50 users with 200 clients each. */
const MOST_USERS = 50;
const FEW_CLIENTS = 10;

/** Throws a sentence for the person who typed it. */
export function parseOptions(args: readonly string[]): LoadOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      clients: { type: 'string', default: '1000' },
      scenario: { type: 'string' },
      replicas: { type: 'string', default: '0' },
      idle: { type: 'string', default: '25' },
      out: { type: 'string', default: '' },
    },
  });
  const clients = wholeNumber('clients', values.clients, 20, 100_000);
  const replicas = wholeNumber('replicas', values.replicas, 0, 9);
  if (replicas === 1) throw new Error('--replicas 1: two or more, or none for one process on SQLite');
  return {
    clients,
    users: Math.min(MOST_USERS, Math.ceil(clients / FEW_CLIENTS)),
    scenarios: chosen(values.scenario, replicas),
    replicas,
    idleMs: wholeNumber('idle', values.idle, 1, 600) * 1_000,
    out: values.out,
  };
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new Error(`--${name} ${text}: a whole number from ${min} to ${max}`);
}

/** Without a choice: all that are possible. */
function chosen(text: string | undefined, replicas: number): ScenarioName[] {
  const names = text?.split(',') ?? [];
  const unknown = names.filter((name) => !SCENARIO_NAMES.some((known) => known === name));
  if (unknown.length > 0) throw new Error(`--scenario ${unknown.join(',')}: choose of ${SCENARIO_NAMES.join(', ')}`);
  if (names.includes('reconnect-storm') && replicas === 0) {
    throw new Error('--scenario reconnect-storm: a replica is killed, so it needs --replicas');
  }
  return SCENARIO_NAMES.filter((name) =>
    text === undefined ? name !== 'reconnect-storm' || replicas > 0 : names.includes(name),
  );
}
