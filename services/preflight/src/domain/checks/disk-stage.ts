import { stageNeed } from '../disk-needs.js';
import { bytes, isEnough, type HostCheck } from './check-module.js';

export const diskStage: HostCheck = {
  name: 'disk-stage',
  about: 'host',
  passesWhen: 'free bytes where versions are staged ≥ the tree (unless staged) and what the release demands beyond',
  ask: ({ demands, facts }) => {
    if (!demands) return [];
    const needed = stageNeed(demands, facts);
    return [
      {
        asked: `${bytes(needed)} free where versions are staged`,
        needs: ['stage_free_bytes'],
        met: isEnough(facts.stageFreeBytes, needed),
        found: `${bytes(facts.stageFreeBytes ?? 0)}${facts.staged ? '; already staged' : ''}`,
        remedy: 'Free some disk space on this host',
      },
    ];
  },
};
