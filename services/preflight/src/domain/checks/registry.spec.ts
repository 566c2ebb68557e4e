import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AT, DEMANDS, NOTHING_KNOWN, OCCASION } from '../../testing/sample-matter.js';
import { evaluate, isBlocking, STALE_FACTS_MS } from '../evaluate.js';
import type { HostAnswer, Occasion } from '../facts.js';
import { CHECKS, HOST_CHECKS, INSTALLATION_CHECKS } from './registry.js';

const README = join(__dirname, '../../../README.md');
const BETWEEN = /(<!-- checks -->\n\n)[\s\S]*?(\n\n<!-- \/checks -->)/;

/** The table of the README. */
function drawChecks(): string {
  const rows = CHECKS.map(({ name, passesWhen, neverOverridden }) => [
    `\`${name}\``,
    passesWhen,
    neverOverridden === undefined ? 'yes' : `never: ${neverOverridden}`,
  ]);
  const all = [['check', 'passes when', 'can be overridden'], ...rows];
  const widths = [0, 1, 2].map((i) => Math.max(...all.map((row) => [...(row[i] ?? '')].length)));
  const line = (cells: readonly string[], fill = ' ') =>
    `| ${cells.map((cell, i) => cell + fill.repeat((widths[i] ?? 0) - [...cell].length)).join(' | ')} |`;
  const [head = [], ...body] = all;
  return [line(head), line(['', '', ''], '-'), ...body.map((row) => line(row))].join('\n');
}

/** Everything that a release can demand. */
const DEMANDING: Occasion = {
  ...OCCASION,
  hosts: OCCASION.hosts.map((h) => ({ ...h, mayFollowLater: false })),
  serverAddresses: ['10.0.0.5'],
  requirements: {
    ...DEMANDS,
    antivirusFolders: ['${dataDir}'],
    vendorChecks: [{ id: 'database', role: 'server', asks: 'a database', remedy: 'Start it.' }],
  },
  isLastLook: true,
};

describe('the registry of checks', () => {
  it('has each name once', () => expect(new Set(CHECKS.map((c) => c.name)).size).toBe(CHECKS.length));

  it.each([...INSTALLATION_CHECKS, ...HOST_CHECKS].map((c) => c.name))('%s has a red test of its own', (name) => {
    const file = join(__dirname, `${name}.spec.ts`);
    expect(existsSync(file)).toBe(true);
    expect(readFileSync(file, 'utf8')).toMatch(/fails: \{[^]*describeCheck\(|describeCheck\([^]*fails: \{/);
  });

  it.each(HOST_CHECKS.map((c) => c.name))('%s passes nothing on a host that could find nothing out', (name) => {
    const server: HostAnswer = { kind: 'facts', facts: NOTHING_KNOWN, at: AT };
    const { checks } = evaluate(DEMANDING, { server, desk: server }, { askedAt: AT, at: AT });
    const found = checks.filter((c) => c.check === name);
    if (name !== 'data-version') expect(found.map((c) => c.verdict)).toEqual(found.map(() => 'unknown'));
    expect(found.length).toBeGreaterThan(0);
    expect(found.every((c) => !isBlocking(c) || c.remedy !== '')).toBe(true);
  });

  it('lets nothing pass that hosts did not answer, or answered too long ago', () => {
    const server: HostAnswer = { kind: 'facts', facts: { ...NOTHING_KNOWN, clockAt: AT }, at: AT };
    const late: HostAnswer = {
      kind: 'failure',
      failure: { reason: 'X', message: 'silent', host: '', facts: {} },
      at: AT,
    };
    for (const [answers, askedAt] of [
      [{ server }, AT - STALE_FACTS_MS - 1],
      [{ server: late }, AT],
      [{}, AT],
    ] as const) {
      const alone = { ...DEMANDING, hosts: DEMANDING.hosts.slice(0, 1) };
      const { checks } = evaluate(alone, answers, { askedAt, at: AT });
      expect(checks.filter(isBlocking)).toMatchObject([{ check: 'host-online', verdict: 'unknown' }]);
    }
  });

  it('is in the README as it is here', () => {
    const readme = readFileSync(README, 'utf8');
    expect(readme).toMatch(BETWEEN);
    const drawn = readme.replace(BETWEEN, (_, before: string, after: string) => before + drawChecks() + after);
    if (process.env['LASTCALL_DRAW'] === '1') writeFileSync(README, drawn);
    else expect(readme).toBe(drawn);
  });
});
