import { bytes, isEnough, type HostCheck } from './check-module.js';

export const memory: HostCheck = {
  name: 'memory',
  about: 'host',
  passesWhen: 'it has the memory that the release demands',
  ask: ({ demands, facts }) => {
    if (!demands || demands.memoryBytes === 0) return [];
    return [
      {
        asked: `${bytes(demands.memoryBytes)} of memory`,
        needs: ['memory_bytes'],
        met: isEnough(facts.memoryBytes, demands.memoryBytes),
        found: bytes(facts.memoryBytes ?? 0),
        remedy: 'Give the host more memory',
      },
    ];
  },
};
