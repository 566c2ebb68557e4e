import { mongodbUrl, natsUrl, startChild } from '@lastcall/testkit';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findK6 } from './k6/k6.js';

/* The command itself, as it is typed, with few clients. */

const LOAD = join(__dirname, '../dist/load.js');
const PATIENCE_MS = 120_000;

const start = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  startChild(process.execPath, ['--disable-warning=ExperimentalWarning', LOAD, ...args], env);

/** `describe` when nothing is missing, else a skipped suite that names what is. */
function describeWithout(missing: readonly (string | false)[], name: string, suite: () => void): void {
  const named = missing.filter((what) => what !== false);
  if (named.length > 0) describe.skip(`${name} (needs ${named.join(' and ')})`, suite);
  else describe(name, suite);
}

const noK6 = findK6() === undefined && 'k6 on the PATH';
const noNats = natsUrl() === undefined && 'LASTCALL_TEST_NATS_URL';
const noMongodb = mongodbUrl() === undefined && 'LASTCALL_TEST_MONGODB_URL';

describeWithout([noK6], 'npm run load', () => {
  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'lastcall-load-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  it(
    'plays its scenarios with forty clients, and every assertion holds',
    async () => {
      const out = join(dir, 'results.json');
      const scenarios = ['steady', 'logoff', 'gate-race'];
      const child = start(['--clients', '40', '--idle', '1', '--scenario', scenarios.join(','), '--out', out]);
      const { code } = await child.exited;
      const results = JSON.parse(readFileSync(out, 'utf8')) as {
        ok: boolean;
        scenarios: { scenario: string; counts: Record<string, number>; checks: { ok: boolean }[] }[];
      };
      const broken = results.scenarios.flatMap(({ checks }) => checks.filter(({ ok }) => !ok));
      expect(broken).toEqual([]);
      expect(results.scenarios.map(({ scenario }) => scenario)).toEqual(scenarios);
      const [, logoff, race] = results.scenarios;
      expect(logoff?.counts).toMatchObject({ attached: 40, told: 40, acknowledged: 40, ended: 40, refused: 4 });
      expect((race?.counts['attached'] ?? 0) + (race?.counts['refused'] ?? 0)).toBe(40);
      // Its last line is for programs.
      expect(child.lines.map(lineOf).find((line) => line?.['benchmark'] === 'load')).toMatchObject({ ok: true });
      expect(code).toBe(0);
    },
    PATIENCE_MS,
  );
});

describeWithout([noK6, noNats, noMongodb], 'npm run load with replicas', () => {
  it(
    'kills one of them, and everybody is back and logged off in order',
    async () => {
      const child = start(['--clients', '40', '--replicas', '3', '--scenario', 'reconnect-storm']);
      const { code } = await child.exited;
      expect(child.lines.filter((line) => line.startsWith('BROKEN'))).toEqual([]);
      expect(child.lines.join('\n')).toMatch(/a replica was killed: [1-9]\d* clients lost their stream and are back/);
      expect(code).toBe(0);
    },
    PATIENCE_MS,
  );
});

describe('npm run load, without what it needs', () => {
  it('says where k6 is to be had', async () => {
    const child = start(['--clients', '40'], { PATH: '/nowhere' });
    expect((await child.exited).code).toBe(2);
    expect(child.lines.join('\n')).toMatch(/k6 is not on the PATH.*go install go\.k6\.io\/k6@v/);
  });

  it('says what can be chosen', async () => {
    const child = start(['--scenario', 'flood']);
    expect((await child.exited).code).toBe(2);
    expect(child.lines.join('\n')).toMatch(/choose of steady, logoff.*\nnpm run load -- /);
  });
});

function lineOf(line: string): Record<string, unknown> | undefined {
  return line.startsWith('{"benchmark"') ? (JSON.parse(line) as Record<string, unknown>) : undefined;
}
