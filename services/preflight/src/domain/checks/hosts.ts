import type { InstallationCheck } from './check-module.js';

export const hosts: InstallationCheck = {
  name: 'hosts',
  about: 'installation',
  passesWhen: 'exactly one host with the role server has joined',
  neverOverridden: 'an update needs the one host that has the data',
  ask: ({ occasion }) => {
    // It is run where it is run.
    if (occasion.isCommand) return [];
    const servers = occasion.hosts.filter((h) => h.role === 'server').map((h) => h.host);
    const one = servers.length === 1;
    return [
      {
        asked: 'exactly one host with the role server has joined',
        met: one,
        found: one
          ? `${occasion.hosts.length === 1 ? '1 host' : `${occasion.hosts.length} hosts`}; the server is ${servers[0]}`
          : servers.join(', ') || 'none',
        remedy: 'Join the server: lastcall host join-token --role server',
      },
    ];
  },
};
