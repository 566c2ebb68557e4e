import { atMost, median, ratio, rounded, type Goal } from '@lastcall/bench';
import type { Logoff } from './logoff.js';
import type { Measured, RoundFigures } from './measure.js';
import { TITLES } from './shape.js';

/* What was measured, for people and for programs. Pure. The figure of several rounds is their median; all of them are in the JSON. */

/** Goals of one replica on one core, by sessions of a connection. */
const GOALS: Readonly<Record<number, Readonly<Record<string, number>>>> = {
  1: {
    lastToldMs: 250,
    countedMs: 350,
    toldCpuUs: 18,
    acknowledgedCpuUs: 30,
    idleKib: 30,
    attachPerSecond: 2_500,
    endedMs: 500,
  },
  10: {
    lastToldMs: 100,
    countedMs: 200,
    toldCpuUs: 8,
    acknowledgedCpuUs: 18,
    idleKib: 12,
    attachPerSecond: 4_000,
    endedMs: 500,
  },
};

type Key = 'lastToldMs' | 'countedMs' | 'toldCpuUs' | 'acknowledgedCpuUs' | 'idleKib' | 'attachPerSecond' | 'endedMs';

const of = (rounds: readonly RoundFigures[], read: (round: RoundFigures) => number | undefined): number =>
  median(rounds.map((round) => read(round) ?? 0));
const all = (rounds: readonly RoundFigures[], read: (round: RoundFigures) => number | undefined): number[] =>
  rounds.map((round) => rounded(read(round) ?? 0));

/** The figures that have goals. `endedMs` is 0 where nobody is logged off. */
export function keyFigures(measured: Measured): Readonly<Record<Key, number>> {
  const { tolds, acknowledgeds } = measured;
  return {
    lastToldMs: rounded(of(tolds, ({ lastMs }) => lastMs)),
    countedMs: rounded(of(acknowledgeds, ({ countedMs }) => countedMs)),
    toldCpuUs: rounded(of(tolds, ({ serverCpuUs }) => serverCpuUs)),
    acknowledgedCpuUs: rounded(of(acknowledgeds, ({ serverCpuUs }) => serverCpuUs)),
    idleKib: rounded(measured.idleKibPerSession),
    attachPerSecond: Math.round(measured.attachPerSecond),
    endedMs: rounded(measured.logoff?.lastEndedMs ?? 0),
  };
}

export function figuresOf(measured: Measured): object {
  const { target, clients, perConnection, noticeBytes, attachCpuUs, tolds, acknowledgeds, logoff } = measured;
  const rounds = (list: readonly RoundFigures[]) => ({
    clockMs: all(list, ({ clockMs }) => clockMs),
    firstMs: all(list, ({ firstMs }) => firstMs),
    p50Ms: all(list, ({ p50Ms }) => p50Ms),
    lastMs: all(list, ({ lastMs }) => lastMs),
    fromCallMs: all(list, ({ fromCallMs }) => fromCallMs),
    sentinelMs: all(list, ({ sentinelMs }) => sentinelMs),
    serverCpuUs: all(list, ({ serverCpuUs }) => serverCpuUs),
    besidesCpuUs: all(list, ({ besidesCpuUs }) => besidesCpuUs),
    swarmCpuUs: all(list, ({ swarmCpuUs }) => swarmCpuUs),
    waitedMs: all(list, ({ waitedMs }) => waitedMs),
  });
  return {
    target,
    clients,
    perConnection,
    noticeBytes,
    ...keyFigures(measured),
    attachClockMs: Math.round(measured.attachClockMs),
    attachCpuUs: rounded(attachCpuUs),
    told: rounds(tolds),
    acknowledged: { ...rounds(acknowledgeds), countedMs: all(acknowledgeds, ({ countedMs }) => countedMs) },
    ...(logoff && { logoff: roundedLogoff(logoff) }),
  };
}

function roundedLogoff({
  clockMs,
  firstEndedMs,
  p50EndedMs,
  lastEndedMs,
  sentinelsEndedMs,
  zeroProvenMs,
}: Logoff): Logoff {
  return {
    clockMs: Math.round(clockMs),
    firstEndedMs: rounded(firstEndedMs),
    p50EndedMs: rounded(p50EndedMs),
    lastEndedMs: rounded(lastEndedMs),
    sentinelsEndedMs: { first: rounded(sentinelsEndedMs.first), last: rounded(sentinelsEndedMs.last) },
    zeroProvenMs: rounded(zeroProvenMs),
  };
}

export function goalsOf(list: readonly Measured[]): object {
  const lastcall = list.filter(({ target }) => target === 'lastcall');
  return Object.fromEntries(
    lastcall.flatMap((measured) => {
      const goals = GOALS[measured.perConnection];
      if (!goals) return [];
      const figures = keyFigures(measured);
      const met = Object.entries(goals).map(([key, goal]): [string, Goal] => [
        key,
        judge(key, goal, figures[key as Key]),
      ]);
      return [[`${measured.perConnection} a connection`, Object.fromEntries(met)]];
    }),
  );
}

function judge(key: string, goal: number, measured: number): Goal {
  return key === 'attachPerSecond' ? { goal, measured, met: measured >= goal } : atMost(goal, measured);
}

/** Of Lastcall to each peer: below 1, Lastcall is faster, or takes less. */
export function ratiosOf(list: readonly Measured[]): object {
  const pairs = list
    .filter(({ target }) => target === 'lastcall')
    .flatMap((own) =>
      list
        .filter((peer) => peer.target !== 'lastcall' && peer.perConnection === own.perConnection)
        .map((peer) => [own, peer] as const),
    );
  return Object.fromEntries(
    pairs.map(([own, peer]) => {
      const [mine, theirs] = [keyFigures(own), keyFigures(peer)];
      const besides = of(peer.acknowledgeds, ({ besidesCpuUs }) => besidesCpuUs);
      return [
        `${own.perConnection} a connection, ${peer.target}`,
        {
          lastToldMs: ratio(mine.lastToldMs, theirs.lastToldMs),
          countedMs: ratio(mine.countedMs, theirs.countedMs),
          toldCpuUs: ratio(mine.toldCpuUs, theirs.toldCpuUs),
          acknowledgedCpuUs: ratio(mine.acknowledgedCpuUs, theirs.acknowledgedCpuUs + besides),
          idleKib: ratio(mine.idleKib, theirs.idleKib),
        },
      ];
    }),
  );
}

const HEAD = [
  '',
  'a conn.',
  'attach/s',
  'KiB idle',
  'last told ms',
  'counted ms',
  'CPU µs told',
  'CPU µs told+ack',
  'ended ms',
];

export function tableOf(list: readonly Measured[]): string {
  const rows = list.map((measured) => {
    const figures = keyFigures(measured);
    const besides = of(measured.acknowledgeds, ({ besidesCpuUs }) => besidesCpuUs);
    return [
      TITLES[measured.target],
      `${measured.perConnection}`,
      `${figures.attachPerSecond}`,
      `${figures.idleKib}`,
      spread(figures.lastToldMs, measured.tolds, ({ lastMs }) => lastMs),
      spread(figures.countedMs, measured.acknowledgeds, ({ countedMs }) => countedMs),
      `${figures.toldCpuUs}`,
      `${figures.acknowledgedCpuUs}${besides > 0.1 ? ` + ${rounded(besides)}` : ''}`,
      measured.logoff ? `${figures.endedMs}` : '-',
    ];
  });
  const widths = HEAD.map((_, column) => Math.max(...[HEAD, ...rows].map((row) => (row[column] ?? '').length)));
  return [HEAD, ...rows]
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
    )
    .join('\n');
}

/** The median, and between which it lies. */
function spread(
  middle: number,
  rounds: readonly RoundFigures[],
  read: (round: RoundFigures) => number | undefined,
): string {
  const values = all(rounds, read);
  return values.length < 2 ? `${middle}` : `${middle} (${Math.min(...values)}–${Math.max(...values)})`;
}
