import { backupNeed, rollbackNeed, stageNeed } from '../disk-needs.js';
import type { HostFacts, Requirements, Volumes } from '../facts.js';
import { takesBackup } from './backup.js';
import { bytes, isEnough, type HostCheck, type HostMatter, type Question } from './check-module.js';

/** One thing that takes room on a volume. */
interface Need {
  readonly what: string;
  readonly volume: string;
  /** Undefined: not measured. */
  readonly bytes: number | undefined;
}

/** What has room by itself need not have it together. */
export const diskTogether: HostCheck = {
  name: 'disk-together',
  about: 'host',
  passesWhen: 'the version, the backup and the way back (the data once more, when they change) fit beside each other',
  ask: (matter) => {
    const { demands, facts } = matter;
    if (!demands) return [];
    if (!facts.volumes) return [whichVolumes(facts)];
    const needs = needsOf(matter, demands, facts.volumes);
    const volumes = [...new Set(needs.map((n) => n.volume))];
    return volumes.map((volume) =>
      question(
        needs.filter((n) => n.volume === volume),
        freeOn(volume, facts),
      ),
    );
  },
};

const WHICH = {
  asked: 'the version, the backup and the way back fit beside each other',
  needs: ['volumes'],
  met: undefined,
  found: '',
  remedy: 'Free some disk space on this host',
};

/** An agent of a version before says nothing; one that could not find out says why. */
function whichVolumes({ unknown, agentVersion }: HostFacts): Question {
  if (Object.hasOwn(unknown, 'volumes') || agentVersion === undefined) return WHICH;
  return { ...WHICH, skip: `agent ${agentVersion} does not say which volumes its folders are on; update it` };
}

function needsOf(matter: HostMatter, demands: Requirements, volumes: Volumes): readonly Need[] {
  const { facts, host } = matter;
  const isServer = host.role === 'server';
  const needs: readonly Need[] = [
    { what: 'the version', volume: volumes.stage, bytes: stageNeed(demands, facts) },
    ...(takesBackup(matter) ? [{ what: 'the backup', volume: volumes.backup, bytes: backupNeed(demands, facts) }] : []),
    ...(isServer ? [{ what: 'the way back', volume: volumes.data, bytes: rollbackNeed(demands, facts) }] : []),
  ];
  return needs.filter((n) => n.bytes !== 0);
}

function freeOn(volume: string, facts: HostFacts): number | undefined {
  const { volumes, stageFreeBytes, backupFreeBytes, dataFreeBytes } = facts;
  if (volume === volumes?.stage) return stageFreeBytes;
  return volume === volumes?.backup ? backupFreeBytes : dataFreeBytes;
}

function question(needs: readonly Need[], free: number | undefined): Question {
  const total = needs.some((n) => n.bytes === undefined)
    ? undefined
    : needs.reduce((sum, n) => sum + (n.bytes ?? 0), 0);
  const parts = needs.map((n) => `${n.what} ${n.bytes === undefined ? '?' : bytes(n.bytes)}`).join(', ');
  const asked = `room for all of: ${parts}`;
  const remedy = 'Free some disk space on this host, or put backups on a volume of their own';
  const met = total === undefined ? undefined : isEnough(free, total);
  const found = `${bytes(free ?? 0)} free for ${total === undefined ? '?' : bytes(total)}`;
  return {
    asked,
    met,
    found,
    remedy,
    needs: ['stage_free_bytes', 'backup_free_bytes', 'data_free_bytes', 'data_bytes'],
  };
}
