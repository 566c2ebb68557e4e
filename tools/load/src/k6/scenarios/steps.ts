import { sessionV1 } from '@lastcall/contracts';
import { until } from '@lastcall/testkit';
import { equal, holds } from '../results.js';
import type { Stage } from '../scenario.js';

/* What several scenarios have in common. */

/** Everybody is inside, as the clients and as the service say. */
export async function everybodyIsIn(stage: Stage, expected = stage.clients): Promise<void> {
  const { stations, clients, patienceMs, place, say } = stage;
  const before = place.usage();
  const began = performance.now();
  await stations.reached('attached', clients, patienceMs);
  const seconds = (performance.now() - began) / 1_000;
  const after = place.usage();
  stage.figure('attachedPerSecond', clients / seconds);
  stage.figure('kibPerSession', ((after.residentMib - before.residentMib) * 1_024) / clients);
  stage.figure('cpuMsPerAttach', (after.cpuMs - before.cpuMs) / clients);
  say(`${clients} clients are in after ${seconds.toFixed(1)} s`);
  await countIs(stage, 'sessions that the service counts when all are in', expected);
}

/** Exact within two seconds, says the contract. */
export async function countIs({ place, check }: Stage, what: string, expected: number): Promise<void> {
  await until(async () => (await place.count()) === expected, what, 2_000).catch(() => undefined);
  check(equal(what, await place.count(), expected));
}

/** A message without consequence, which the clients take as the sign to log off. */
export async function tellAndLetGo(stage: Stage): Promise<void> {
  const { stations, clients, patienceMs, place, say } = stage;
  const before = place.usage();
  await place.sendNotice('This was it for today. Please log off.');
  await stations.reached('told', clients, patienceMs);
  stage.figure('cpuUsPerMessageTold', ((place.usage().cpuMs - before.cpuMs) * 1_000) / clients);
  say('all have the message');
  await stations.reached('left', clients, patienceMs);
  await countIs(stage, 'sessions when all have logged off', 0);
}

/** A person shuts the gate: told, acknowledged as the service lists it, ended, zero. */
export async function logEverybodyOff(stage: Stage): Promise<void> {
  const { stations, clients, patienceMs, place, say } = stage;
  const before = place.usage();
  const { deadlineAt } = await place.closeGate(stage.reactionMs);
  await stations.reached('told', clients, patienceMs);
  say('all have the notice');
  await acknowledgedInTime(stage, deadlineAt);
  stage.figure('cpuUsPerTelling', ((place.usage().cpuMs - before.cpuMs) * 1_000) / clients);
  await stations.reached('ended', clients, stage.reactionMs + patienceMs);
  await gateIsShut(stage);
  say('all are logged off, the gate is shut');
}

async function acknowledgedInTime({ place, clients, check, figure }: Stage, deadlineAt: number): Promise<void> {
  let acknowledged = 0;
  const all = async (): Promise<boolean> => {
    // When the last session is gone, nobody is listed any more.
    if (Date.now() > deadlineAt) throw new Error('too late');
    const listed = await place.list();
    acknowledged = new Set(listed.filter((session) => session.acknowledged).map((session) => session.name)).size;
    return acknowledged === clients;
  };
  const began = Date.now();
  await until(all, 'all acknowledgements', Math.max(0, deadlineAt - began)).catch(() => undefined);
  figure('allAcknowledgedListedMs', Date.now() - began);
  check(equal('sessions that the service lists as acknowledged before the deadline', acknowledged, clients));
}

export async function gateIsShut(stage: Stage): Promise<void> {
  const { place, check, patienceMs } = stage;
  const { CLOSED } = sessionV1.GateState;
  const isShut = async (): Promise<boolean> => (await place.gateState()) === CLOSED;
  await until(isShut, 'the gate to be shut', patienceMs).catch(() => undefined);
  check(holds('the gate is shut: zero is proven', await isShut(), sessionV1.gateStateToJSON(await place.gateState())));
  check(equal('sessions behind the shut gate', await place.count(), 0));
}
