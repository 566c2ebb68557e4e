import { equal, holds } from '../results.js';
import type { Scenario, Stage } from '../scenario.js';
import { everybodyIsIn, logEverybodyOff } from './steps.js';

/** One of the replicas is killed; who hung on it comes back as the same session, and the logoff misses nobody. */
export const reconnectStorm: Scenario = {
  name: 'reconnect-storm',
  conduct: async (stage) => {
    await everybodyIsIn(stage);
    stage.place.killReplica();
    const killedAt = performance.now();
    const lost = await allAreBack(stage);
    stage.figure('lost', lost);
    stage.figure('allBackMs', performance.now() - killedAt);
    stage.say(`a replica was killed: ${lost} clients lost their stream and are back`);
    await sessionsAreTheSame(stage);
    await logEverybodyOff(stage);
    return ({ counts }) => [
      equal('sessions that came back after the kill', stage.stations.count('back'), lost),
      holds('every loss was followed by a return', (counts['came_back'] ?? 0) === lost, counts['came_back'] ?? 0),
    ];
  },
};

const QUIET_MS = 2_000;

/** The edge cuts all streams of a dead replica at once; when nobody else is lost for a while, that was it. */
async function allAreBack({ stations, patienceMs }: Stage): Promise<number> {
  await stations.reached('lost', 1, patienceMs);
  for (;;) {
    const lost = stations.count('lost');
    await stations.reached('back', lost, patienceMs);
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    if (stations.count('lost') === lost) return lost;
  }
}

/** A session may have two documents until its dead replica is forgotten, but it is one session. */
async function sessionsAreTheSame({ place, check, clients }: Stage): Promise<void> {
  const listed = await place.list();
  check(equal('different sessions after the return', new Set(listed.map(({ name }) => name)).size, clients));
  check(equal('users with a session after the return', new Set(listed.map(({ user }) => user)).size, clients));
}
