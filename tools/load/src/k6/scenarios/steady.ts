import { equal } from '../results.js';
import type { Scenario } from '../scenario.js';
import { countIs, everybodyIsIn, tellAndLetGo } from './steps.js';

/** Attached and idle, with their heartbeats; nothing else happens, and then everybody can still be told. */
export const steady: Scenario = {
  name: 'steady',
  conduct: async (stage) => {
    await everybodyIsIn(stage);
    const { place, options, clients, say } = stage;
    const before = place.usage();
    say(`idle for ${options.idleMs / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, options.idleMs));
    const idle = place.usage();
    stage.figure('idleCpuPercent', ((idle.cpuMs - before.cpuMs) / options.idleMs) * 100);
    stage.figure('idleResidentMib', idle.residentMib);
    await countIs(stage, 'sessions that the service counts after the idle time', clients);
    await tellAndLetGo(stage);
    return ({ counts }) => [
      equal('heartbeats that were answered', counts['heartbeats_answered'] ?? 0, counts['heartbeats'] ?? 0),
    ];
  },
};
