import { hostRole, parseRunSpec, Poison, type EventEnvelope } from '@lastcall/contracts';
import type { EventHandlers, Logger } from '@lastcall/runtime';
import { actOn } from './decide.js';
import type { Documents } from './documents.js';
import type { InstallationCommand } from './domain/installation.js';
import { installationMachine } from './machines.js';

/*
 * What the catalog learns from others: which hosts there are, and what is installed on them.
 */

const KEY_BYTES = 32;

export function createConsumers(documents: Documents, log: Logger): EventHandlers {
  const record = async (installation: string, envelope: EventEnvelope, command: InstallationCommand): Promise<void> => {
    const machine = installationMachine(installation);
    const refused = await actOn(documents.installations, machine).takeIn(installation, envelope, command);
    if (refused) log.warn({ installation, event: envelope.id, reason: refused.reason }, refused.message);
  };
  return {
    HostJoined: (message, envelope) => {
      const role = hostRole.fromWire(message.role);
      if (!role) throw new Poison(`host ${message.host} joined with a role that is not known here`);
      if (message.publicKey.byteLength !== KEY_BYTES)
        throw new Poison(`the key of host ${message.host} has no 32 bytes`);
      return record(message.installation, envelope, {
        type: 'record-host',
        host: message.host,
        role,
        publicKey: Buffer.from(message.publicKey).toString('base64'),
        platform: message.platform,
        version: message.installedVersion,
      });
    },
    HostUpdated: (message, envelope) => {
      const { installation, fence } = parseRunSpec(message.run);
      const { host, fromVersion, toVersion } = message;
      return record(installation, envelope, { type: 'record-host-version', host, fromVersion, toVersion, fence });
    },
    InstallationUpdated: (message, envelope) => {
      const { installation, fence, toVersion, hosts } = parseRunSpec(message.run);
      const present = hosts.map(({ host }) => host).filter((host) => !message.absentHosts.includes(host));
      return record(installation, envelope, { type: 'record-update', hosts: present, version: toVersion, fence });
    },
    InstallationRolledBack: (message, envelope) => {
      const { installation, fence } = parseRunSpec(message.run);
      return record(installation, envelope, { type: 'record-rollback', fence });
    },
  };
}
