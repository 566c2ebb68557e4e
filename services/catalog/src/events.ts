import {
  hostRole,
  parseRunSpec,
  Poison,
  runOutcome,
  type commonV1,
  type EventEnvelope,
  type eventsV1,
} from '@lastcall/contracts';
import type { EventHandlers, Logger } from '@lastcall/runtime';
import { actOn } from './decide.js';
import type { Documents } from './documents.js';
import type { InstallationCommand } from './domain/installation.js';
import { installationMachine } from './machines.js';
import type { Waves } from './waves.js';

/*
 * What the catalog learns from others: which hosts there are, what is installed on them, and how runs ended that a wave waits for.
 */

const KEY_BYTES = 32;

export function createConsumers(documents: Documents, waves: Waves, log: Logger): EventHandlers {
  const record = async (installation: string, envelope: EventEnvelope, command: InstallationCommand): Promise<void> => {
    const machine = installationMachine(installation);
    const refused = await actOn(documents.installations, machine).takeIn(installation, envelope, command);
    if (refused) log.warn({ installation, event: envelope.id, reason: refused.reason }, refused.message);
  };
  return {
    HostJoined: (message, envelope) => record(message.installation, envelope, recordHost(message)),
    HostUpdated: (message, envelope) => {
      const { installation, fence } = parseRunSpec(message.run);
      const { host, fromVersion, toVersion } = message;
      return record(installation, envelope, { type: 'record-host-version', host, fromVersion, toVersion, fence });
    },
    InstallationUpdated: async (message, envelope) => {
      const spec = parseRunSpec(message.run);
      const { installation, fence, toVersion, hosts } = spec;
      const present = hosts.map(({ host }) => host).filter((host) => !message.absentHosts.includes(host));
      await record(installation, envelope, { type: 'record-update', hosts: present, version: toVersion, fence });
      await waves.hear(spec, 'updated', '', envelope);
    },
    InstallationRolledBack: async (message, envelope) => {
      const spec = parseRunSpec(message.run);
      const { installation, fence } = spec;
      await record(installation, envelope, { type: 'record-rollback', fence });
      await waves.hear(spec, 'rolled-back', textOf(message.failure), envelope);
    },
    InstallationQuarantined: async (message, envelope) => {
      await waves.hear(parseRunSpec(message.run), 'quarantined', textOf(message.failure), envelope);
    },
    // The other ends of a run are told by the installer, which knows them first.
    RunFinished: async (message, envelope) => {
      const outcome = runOutcome.fromWire(message.outcome);
      if (outcome !== 'failed' && outcome !== 'expired') return;
      await waves.hear(parseRunSpec(message.run), 'failed', textOf(message.failure), envelope);
    },
  };
}

function recordHost(message: eventsV1.HostJoined): InstallationCommand {
  const { host, role, publicKey, nextPublicKey, platform, installedVersion, cutOff } = message;
  const known = hostRole.fromWire(role);
  if (!known) throw new Poison(`host ${host} joined with a role that is not known here`);
  if (publicKey.byteLength !== KEY_BYTES) throw new Poison(`the key of host ${host} has no 32 bytes`);
  if (![0, KEY_BYTES].includes(nextPublicKey.byteLength))
    throw new Poison(`the next key of host ${host} has no 32 bytes`);
  const key = Buffer.from(publicKey).toString('base64');
  const next = Buffer.from(nextPublicKey).toString('base64');
  const more = { ...(next !== '' && { nextPublicKey: next }), ...(cutOff && { cutOff }) };
  return { type: 'record-host', host, role: known, publicKey: key, platform, version: installedVersion, ...more };
}

function textOf(failure: commonV1.Failure | undefined): string {
  return failure?.message ?? 'no reason was given';
}
