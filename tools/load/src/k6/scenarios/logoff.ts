import type { Scenario } from '../scenario.js';
import { everybodyIsIn, logEverybodyOff } from './steps.js';

/** Notice, acknowledgements, reaction time, forced end. */
export const logoff: Scenario = {
  name: 'logoff',
  conduct: async (stage) => {
    await everybodyIsIn(stage);
    await logEverybodyOff(stage);
  },
};
