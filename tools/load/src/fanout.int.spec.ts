import { ROOT } from '@lastcall/bench';
import { startChild } from '@lastcall/testkit';
import { join } from 'node:path';

/* The benchmark itself, with a few sessions: it measures all that it says it does, and finds nothing that is not true. */

interface Line {
  readonly benchmark: string;
  readonly correct: boolean;
  readonly violations: readonly string[];
  readonly skipped: Readonly<Record<string, string>>;
  readonly figures: readonly {
    readonly target: string;
    readonly clients: number;
    readonly perConnection: number;
    readonly told: { readonly lastMs: readonly number[] };
    readonly acknowledged: { readonly countedMs: readonly number[]; readonly serverCpuUs: readonly number[] };
    readonly logoff?: { readonly firstEndedMs: number; readonly lastEndedMs: number };
  }[];
}

const CLIENTS = 50;

async function fanout(
  ...more: readonly string[]
): Promise<{ code: number | null; line: Line; lines: readonly string[] }> {
  const args = ['--clients', `${CLIENTS}`, '--rounds', '1', '--sentinels', '4', ...more];
  const child = startChild(process.execPath, [join(ROOT, 'tools/load/dist/fanout.js'), ...args]);
  const { code } = await child.exited;
  const json = child.lines.findLast((line) => line.startsWith('{'));
  if (json === undefined) throw new Error(child.lines.join('\n'));
  return { code, line: JSON.parse(json) as Line, lines: child.lines };
}

it('measures Lastcall and its peers in one run', async () => {
  const { code, line, lines } = await fanout('--per-connection', '10');
  expect(line).toMatchObject({ benchmark: 'bench:fanout', correct: true, violations: [] });
  expect(code).toBe(0);
  const expected = ['lastcall', 'grpc', 'http2', 'nats', 'ws', 'socketio'].filter(
    (target) => !(target in line.skipped),
  );
  expect(line.figures.map(({ target }) => target)).toEqual(expected);
  expect(Object.keys(line.skipped).filter((target) => target !== 'nats')).toEqual([]);
  for (const { clients, perConnection, told, acknowledged } of line.figures) {
    expect([clients, perConnection]).toEqual([CLIENTS, 10]);
    for (const values of [told.lastMs, acknowledged.countedMs, acknowledged.serverCpuUs]) {
      expect(values.length).toBe(1);
      for (const value of values) expect(value).toBeGreaterThan(0);
    }
  }
  const [lastcall] = line.figures;
  expect(lastcall?.logoff?.firstEndedMs).toBeGreaterThanOrEqual(-1);
  expect(lines.some((text) => /^Lastcall\s+10\s/.test(text))).toBe(true);
}, 180_000);

it('says what it does not understand', async () => {
  const child = startChild(process.execPath, [join(ROOT, 'tools/load/dist/fanout.js'), '--only', 'telegraph']);
  expect((await child.exited).code).toBe(1);
  expect(child.lines.join('\n')).toContain('choose of lastcall, grpc, http2, nats, ws, socketio');
});
