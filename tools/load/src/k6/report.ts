import type { ScenarioResult } from './run-scenario.js';
import type { Times } from './results.js';

/* What a person reads at the end. Pure. */

/** Of each scenario, in words; the others are in the JSON. */
const TIME_NAMES: Readonly<Record<string, string>> = {
  attach_ms: 'dialled to welcome',
  told_ms: 'notice to client',
  ended_after_deadline_ms: 'deadline to end',
  reaction_ms: 'notice to end',
  back_ms: 'loss to return',
  woken_ms: 'wake to client',
};

const COLUMNS = ['scenario', 'assertions', 'ms', 'min', 'p50', 'p99', 'last'] as const;

export function tableOf(results: readonly ScenarioResult[]): string {
  const rows = results.flatMap((result) => {
    const times = Object.entries(result.times).flatMap(([name, of]) => {
      const title = TIME_NAMES[name];
      return title === undefined ? [] : [[title, ...numbersOf(of)]];
    });
    const broken = result.checks.filter(({ ok }) => !ok).length;
    const held = broken === 0 ? `${result.checks.length} hold` : `${broken} of ${result.checks.length} BROKEN`;
    const [first = [], ...others] = times;
    return [[result.scenario, held, ...first], ...others.map((time) => ['', '', ...time])];
  });
  return [...alignOf([[...COLUMNS], ...rows]), '', ...results.flatMap(figuresOf), ...results.flatMap(brokenOf)].join(
    '\n',
  );
}

function numbersOf({ min, p50, p99, max }: Times): string[] {
  return [min, p50, p99, max].map(String);
}

function figuresOf({ scenario, figures, seconds }: ScenarioResult): string[] {
  const parts = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  return [`${scenario}: ${[...parts, `${seconds} s in all`].join(', ')}`];
}

function brokenOf({ scenario, checks }: ScenarioResult): string[] {
  return checks
    .filter(({ ok }) => !ok)
    .map(({ what, expected, found }) => `BROKEN  ${scenario}: ${what}: expected ${expected}, found ${found}`);
}

function alignOf(rows: readonly (readonly string[])[]): string[] {
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => {
    const cells = COLUMNS.map((_, column) => {
      const cell = row[column] ?? '';
      const width = widths[column] ?? 0;
      return column < 3 ? cell.padEnd(width) : cell.padStart(width);
    });
    return cells.join('  ').trimEnd();
  });
}
