import type { ScenarioName } from '../options.js';
import type { Scenario } from '../scenario.js';
import { gateRace } from './gate-race.js';
import { loginStorm } from './login-storm.js';
import { logoff } from './logoff.js';
import { reconnectStorm } from './reconnect-storm.js';
import { slowReaders } from './slow-readers.js';
import { steady } from './steady.js';

export const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = {
  steady,
  logoff,
  'login-storm': loginStorm,
  'reconnect-storm': reconnectStorm,
  'slow-readers': slowReaders,
  'gate-race': gateRace,
};
