import { readCpu, readMemory, rounded } from '@lastcall/bench';
import { until } from '@lastcall/testkit';
import { join } from 'node:path';
import { sharedNow } from '../clock.js';
import { startProgram } from '../questions.js';
import type { SentinelsQuestions } from '../sentinels.js';
import type { SwarmQuestions } from '../swarm/main.js';
import type { Round } from '../swarm/swarm.js';
import { each, tellAll, type Crowd } from './crowd.js';
import { measureLogoff, type Logoff } from './logoff.js';
import { startLastcallTarget, type LastcallTarget } from './lastcall-target.js';
import type { Machine } from './machine.js';
import { startNats, startPeer } from './peer-target.js';
import { DIALECTS, TITLES, type TargetName } from './shape.js';
import type { Target, TargetParts } from './target.js';
import { Violations } from './violations.js';

/*
 * One target in one shape: everybody attaches, the memory comes to rest, notices that are told, notices that are told and acknowledged, and
 * for Lastcall the logoff. What is correct is asserted, what is slow is only said.
 */

export interface Measured {
  readonly target: TargetName;
  readonly clients: number;
  readonly perConnection: number;
  /** When the first began to attach, by CLOCK_MONOTONIC. */
  readonly attachClockMs: number;
  readonly attachPerSecond: number;
  readonly attachCpuUs: number;
  readonly idleKibPerSession: number;
  readonly noticeBytes: number;
  readonly tolds: readonly RoundFigures[];
  readonly acknowledgeds: readonly RoundFigures[];
  readonly logoff: Logoff | undefined;
  readonly violations: readonly string[];
}

export interface RoundFigures {
  /** When it began, by CLOCK_MONOTONIC: where to look in a CPU profile of the server. */
  readonly clockMs: number;
  /** From the beginning of the telling, which is after the store's write. */
  readonly firstMs: number;
  readonly p50Ms: number;
  readonly lastMs: number;
  /** Until the last acknowledgement was counted. */
  readonly countedMs: number | undefined;
  /** From the call of whoever sends it: with the store's write. */
  readonly fromCallMs: number;
  /** The last sentinel. */
  readonly sentinelMs: number | undefined;
  readonly serverCpuUs: number;
  readonly besidesCpuUs: number;
  readonly swarmCpuUs: number;
  /** How long threads of the server were ready to run while its processor had another one, of its own or of another program. */
  readonly waitedMs: number;
}

/** Sessions that attach at the same time; fewer connections than wait at a server's door by default. */
const AT_ONCE = 500;
/** Memory is at rest when it has not moved by more than a hundredth for so long. */
const REST_MS = 3_000;
const REST_AT_MOST_MS = 15_000;
const PATIENCE_MS = 60_000;
const QUIET_MS = 300;

export async function measure(name: TargetName, parts: TargetParts): Promise<Measured> {
  const { bench, machine, shape } = parts;
  const target = await startTarget(name, parts);
  const swarm = startProgram<SwarmQuestions>(join(__dirname, '../swarm/main.js'), machine.clients);
  bench.onEnd(() => swarm.stop());
  const sentinels = isLastcall(target) ? await startSentinels(parts, target, machine) : undefined;
  const crowd: Crowd = { bench, shape, target, swarm, sentinels, violations: new Violations() };
  const attached = await attach(crowd);
  const tolds: RoundFigures[] = [];
  const acknowledgeds: RoundFigures[] = [];
  let noticeBytes = 0;
  for (let i = 1; i <= shape.rounds * 2; i++) {
    const acknowledge = i > shape.rounds;
    const { figures, round } = await measureRound(crowd, i, acknowledge);
    noticeBytes = round.notice?.bytes ?? 0;
    (acknowledge ? acknowledgeds : tolds).push(figures);
    bench.say(`${say(crowd)} round ${i}: ${tellRound(figures)}`);
  }
  const logoff = isLastcall(target) ? await measureLogoff(crowd, target) : undefined;
  await swarm.stop();
  await sentinels?.stop();
  await target.stop();
  const { clients, perConnection } = shape;
  const { list } = crowd.violations;
  return {
    target: name,
    clients,
    perConnection,
    ...attached,
    noticeBytes,
    tolds,
    acknowledgeds,
    logoff,
    violations: list,
  };
}

function startTarget(name: TargetName, parts: TargetParts): Promise<Target> {
  switch (name) {
    case 'lastcall':
      return startLastcallTarget(parts);
    case 'nats':
      return startNats(parts);
    default:
      return startPeer(name, parts);
  }
}

function isLastcall(target: Target): target is LastcallTarget {
  return target.name === 'lastcall';
}

const say = ({ target, shape }: Crowd): string => `${TITLES[target.name]} (${shape.perConnection} a connection)`;

function tellRound({ lastMs, countedMs, serverCpuUs, waitedMs }: RoundFigures): string {
  const counted = countedMs === undefined ? '' : `, all counted after ${rounded(countedMs)} ms`;
  return `last told after ${rounded(lastMs)} ms${counted}, ${rounded(serverCpuUs)} µs each, waited ${rounded(waitedMs)} ms`;
}

async function startSentinels({ bench, shape }: TargetParts, target: LastcallTarget, machine: Machine) {
  const sentinels = startProgram<SentinelsQuestions>(join(__dirname, '../sentinels.js'), machine.clients);
  bench.onEnd(() => sentinels.stop());
  const { port, credential, installation } = target;
  await sentinels.ask('attach', { port, credential, installation, sessions: shape.sentinels });
  return sentinels;
}

type Attached = Pick<Measured, 'attachClockMs' | 'attachPerSecond' | 'attachCpuUs' | 'idleKibPerSession'>;

async function attach(crowd: Crowd): Promise<Attached> {
  const { bench, target, swarm, shape, violations } = crowd;
  const before = await memoryAtRest(target.pid);
  const cpu = readCpu(target.pid);
  const began = sharedNow();
  const attached = await swarm.ask('attach', {
    sessions: shape.clients,
    atOnce: Math.ceil(AT_ONCE / shape.perConnection),
    heartbeatMs: target.heartbeatMs,
    dialect: {
      name: DIALECTS[target.name],
      port: target.port,
      perConnection: shape.perConnection,
      credential: target.credential,
      installation: target.installation,
    },
  });
  const after = readCpu(target.pid);
  const attachCpuUs = each(after.usedMs - cpu.usedMs, shape.clients);
  const attachPerSecond = (shape.clients * 1_000) / (attached.last - began);
  violations.expect(attached.count === shape.clients && attached.repeats === 0, 'each session is welcomed once');
  const idleKibPerSession = ((await memoryAtRest(target.pid)) - before) / shape.clients;
  bench.say(
    `${say(crowd)}: ${Math.round(attachPerSecond)} attached a second, ${rounded(attachCpuUs)} µs each, ` +
      `${rounded(idleKibPerSession)} KiB each at rest, waited ${rounded(after.waitedMs - cpu.waitedMs)} ms`,
  );
  return { attachClockMs: began, attachPerSecond, attachCpuUs, idleKibPerSession };
}

/** KiB. */
async function memoryAtRest(pid: number): Promise<number> {
  const look = (): number => readMemory(pid).residentMib * 1_024;
  const began = Date.now();
  let [rest, since] = [look(), began];
  const isAtRest = (): boolean => {
    const now = look();
    if (Math.abs(now - rest) > rest / 100) [rest, since] = [now, Date.now()];
    return Date.now() - since >= REST_MS || Date.now() - began >= REST_AT_MOST_MS;
  };
  await until(isAtRest, 'the memory to come to rest', PATIENCE_MS);
  return look();
}

async function measureRound(crowd: Crowd, number: number, acknowledge: boolean) {
  const { target, swarm, sentinels, shape, violations } = crowd;
  const id = `n-${number}`;
  const all = await tellAll(crowd, id, acknowledge);
  const { round, before, after, beganAt } = all;
  const sessions = shape.clients + (sentinels ? shape.sentinels : 0);
  checkRound(crowd, round, acknowledge, all.counted?.count);
  const figures: RoundFigures = {
    clockMs: beganAt,
    firstMs: round.told.first - beganAt,
    p50Ms: round.told.p50 - beganAt,
    lastMs: round.told.last - beganAt,
    countedMs: acknowledge ? (all.counted?.at ?? round.answeredAt ?? 0) - beganAt : undefined,
    fromCallMs: round.told.last - all.calledAt,
    sentinelMs: all.sentinels && all.sentinels.last - beganAt,
    serverCpuUs: each(after.server.usedMs - before.server.usedMs, sessions),
    besidesCpuUs: each(after.besides - before.besides, sessions),
    swarmCpuUs: each(after.swarm.usedMs - before.swarm.usedMs, shape.clients),
    waitedMs: after.server.waitedMs - before.server.waitedMs,
  };
  if (acknowledge && isLastcall(target)) await takeBack(crowd, target);
  if (all.sentinels) violations.expect(all.sentinels.repeats === 0, 'each sentinel is told once');
  // What should not come would come now.
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
  const late = await swarm.ask('late', null);
  violations.expect(late.repeats === 0 && late.stale === 0, `each session is told once (${JSON.stringify(late)})`);
  return { figures, round };
}

function checkRound({ shape, violations }: Crowd, round: Round, acknowledge: boolean, counted?: number): void {
  const { clients } = shape;
  violations.expect(round.told.count === clients, `all are told (${round.told.count} of ${clients})`);
  if (!acknowledge) return;
  const { count, repeats } = round.acknowledged;
  violations.expect(count === clients && repeats === 0, `each acknowledges once (${count} of ${clients})`);
  if (counted !== undefined) {
    violations.expect(counted === clients, `all acknowledgements are counted once (${counted} of ${clients})`);
  }
}

/** The service has every acknowledgement; then the gate opens again, and everybody hears that. */
async function takeBack({ shape, violations, swarm, sentinels }: Crowd, target: LastcallTarget): Promise<void> {
  const expected = shape.clients + shape.sentinels;
  let listed = await target.listed();
  const areListed = async (): Promise<boolean> => {
    listed = await target.listed();
    return listed.acknowledged >= expected;
  };
  await until(areListed, 'every acknowledgement to be listed', PATIENCE_MS);
  const { sessions, acknowledged } = listed;
  violations.expect(
    sessions === expected && acknowledged === expected,
    `sessions and acknowledgements are listed once (${sessions}, ${acknowledged} of ${expected})`,
  );
  await target.withdraw();
  for (const withdrawn of [await swarm.ask('withdrawn', null), await sentinels?.ask('withdrawn', null)]) {
    violations.expect((withdrawn?.repeats ?? 0) === 0, 'each hears once that the notice does not stand any more');
  }
}
