import { isAtLeast } from '../versions.js';
import type { HostCheck } from './check-module.js';

export const agentVersion: HostCheck = {
  name: 'agent-version',
  about: 'host',
  passesWhen: 'the agent has the version that the release demands, or a newer one',
  ask: ({ demands, facts }) => {
    if (!demands || demands.agentVersion === '') return [];
    const found = facts.agentVersion;
    return [
      {
        asked: `agent ${demands.agentVersion} or newer`,
        needs: ['agent_version'],
        met: found === undefined ? undefined : isAtLeast(found, demands.agentVersion),
        found: found ?? '',
        remedy: 'Update the agent on this host: lastcall host update-agent',
      },
    ];
  },
};
