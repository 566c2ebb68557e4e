import { sessionV1 } from '@lastcall/contracts';
import { until } from '@lastcall/testkit';
import type { Scenario } from '../scenario.js';
import { countIs, everybodyIsIn, tellAndLetGo } from './steps.js';

/** All wait at a shut gate, and it opens. */
export const loginStorm: Scenario = {
  name: 'login-storm',
  prepare: async (place) => {
    await place.closeGate(0);
    const { CLOSED } = sessionV1.GateState;
    await until(async () => (await place.gateState()) === CLOSED, 'the gate to be shut', 60_000);
  },
  conduct: async (stage) => {
    const { stations, clients, patienceMs, place, say } = stage;
    await stations.reached('waiting', clients, patienceMs);
    say('all wait at the shut gate');
    await countIs(stage, 'sessions while all wait', 0);
    await place.openGate();
    await everybodyIsIn(stage);
    await tellAndLetGo(stage);
  },
};
