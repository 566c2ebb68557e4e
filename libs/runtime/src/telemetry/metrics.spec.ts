import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COUNTERS, GAUGES, HISTOGRAMS, PROCESS_GAUGES } from './telemetry.js';

/*
 * What is written about metrics elsewhere: the table in the README, the alerts with their runbooks, the dashboards. Each names only what there is.
 */

const README = join(__dirname, '../../README.md');
const DEPLOY = join(__dirname, '../../../../deploy');
const BETWEEN = /(<!-- metrics -->\n\n)[\s\S]*?(\n\n<!-- \/metrics -->)/;

const named = (table: object, kind: string, suffix = '') =>
  Object.entries(table).map(([name, about]) => ({ name: `lastcall_${name}${suffix}`, kind, about: String(about) }));

const METRICS = [
  ...named(COUNTERS, 'counter', '_total'),
  ...named(GAUGES, 'gauge'),
  ...named(PROCESS_GAUGES, 'gauge'),
  ...named(HISTOGRAMS, 'histogram'),
];

/** As they can stand in an expression. */
const SERIES = new Set(
  METRICS.flatMap(({ name, kind }) =>
    kind === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => name + part) : [name],
  ),
);

/** YAML's `>-`: the lines that stand further in are one. */
const unfolded = (text: string): string =>
  text.replace(/>-\n((?: {10}.+\n)+)/g, (_, lines: string) => `${lines.trim().replace(/\s*\n\s*/g, ' ')}\n`);

const unknownIn = (expression: string): string[] =>
  [...expression.matchAll(/\blastcall_\w+/g)].map(([name]) => name).filter((name) => !SERIES.has(name));

function drawTable(): string {
  const widths = [...'nka'].map((_, i) =>
    Math.max(...METRICS.map((m) => [`\`${m.name}\``, m.kind, m.about][i]!.length)),
  );
  const row = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const line = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [row(['metric', 'kind', 'what']), line, ...METRICS.map((m) => row([`\`${m.name}\``, m.kind, m.about]))].join(
    '\n',
  );
}

it('the table in the README is what there is', () => {
  const readme = readFileSync(README, 'utf8');
  expect(readme).toMatch(BETWEEN);
  const drawn = readme.replace(BETWEEN, (_, before: string, after: string) => before + drawTable() + after);
  if (process.env['LASTCALL_DRAW'] === '1') writeFileSync(README, drawn);
  else expect(readme).toBe(drawn);
});

describe('alerts', () => {
  const files = readdirSync(join(DEPLOY, 'alerts')).filter((file) => file.endsWith('.yaml'));
  const rules = files.flatMap((file) =>
    unfolded(readFileSync(join(DEPLOY, 'alerts', file), 'utf8'))
      .split(/^ +- (?=alert: )/m)
      .slice(1),
  );
  const fieldOf = (rule: string, field: string): string =>
    new RegExp(`^ *${field}: (.+)$`, 'm').exec(rule)?.[1]?.replace(/^'(.*)'$/, '$1') ?? '';
  const names = rules.map((rule) => fieldOf(rule, 'alert'));

  it('name only metrics that there are, and say for how long and how bad', () => {
    expect(rules.length).toBeGreaterThan(10);
    for (const rule of rules) {
      const expression = fieldOf(rule, 'expr');
      expect(expression).toMatch(/\blastcall_|^up\{/);
      expect(unknownIn(expression)).toEqual([]);
      expect(fieldOf(rule, 'for')).toMatch(/^\d+[mh]$/);
      expect(fieldOf(rule, 'severity')).toMatch(/^(warning|critical)$/);
      expect(fieldOf(rule, 'runbook')).toBe(`deploy/runbooks/${fieldOf(rule, 'alert')}.md`);
    }
  });

  it('have a page each, and there is no page without one', () => {
    expect(readdirSync(join(DEPLOY, 'runbooks')).toSorted()).toEqual(names.map((name) => `${name}.md`).toSorted());
    for (const name of names) {
      const page = readFileSync(join(DEPLOY, 'runbooks', `${name}.md`), 'utf8');
      expect(page).toMatch(new RegExp(`^# ${name}\n\n\\S[^]+\n## What to look at\n\n- [^]+\n## What to do\n\n1\\. `));
      const inProse = [...page.matchAll(/\blastcall_\w+/g)].map(([metric]) => metric);
      expect(inProse.filter((metric) => !METRICS.some((one) => one.name === metric))).toEqual([]);
    }
  });
});

describe('dashboards', () => {
  it('leave no metric out', () => {
    const folder = join(DEPLOY, 'dashboards');
    const shown = readdirSync(folder).flatMap((file) =>
      readFileSync(join(folder, file), 'utf8').match(/\blastcall_\w+/g),
    );
    const isShown = (name: string): boolean => [name, `${name}_bucket`].some((series) => shown.includes(series));
    expect(METRICS.map(({ name }) => name).filter((name) => !isShown(name))).toEqual([]);
  });

  it.each(['fleet', 'run', 'sessions', 'health'])('%s shows only metrics that there are', (name) => {
    const dashboard = JSON.parse(readFileSync(join(DEPLOY, 'dashboards', `${name}.json`), 'utf8')) as {
      uid: string;
      panels: { title: string; targets: { expr: string }[] }[];
    };
    expect(dashboard.uid).toBe(`lastcall-${name}`);
    const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    expect(expressions.length).toBeGreaterThan(3);
    expect(expressions.flatMap(unknownIn)).toEqual([]);
  });
});
