import { isEnough, type HostCheck } from './check-module.js';

export const cpu: HostCheck = {
  name: 'cpu',
  about: 'host',
  passesWhen: 'it has the logical processors that the release demands',
  ask: ({ demands, facts }) => {
    if (!demands || demands.cpuCount === 0) return [];
    return [
      {
        asked: `${demands.cpuCount} logical processors`,
        needs: ['cpu_count'],
        met: isEnough(facts.cpuCount, demands.cpuCount),
        found: String(facts.cpuCount),
        remedy: 'Give the host more processors',
      },
    ];
  },
};
