import { agentVersion } from './agent-version.js';
import { antivirus } from './antivirus.js';
import { backupAge } from './backup-age.js';
import { backup } from './backup.js';
import type { CheckModule, HostCheck, InstallationCheck } from './check-module.js';
import { certificates } from './certificates.js';
import { clock } from './clock.js';
import { cpu } from './cpu.js';
import { dataVersion } from './data-version.js';
import { diskBackup } from './disk-backup.js';
import { diskStage } from './disk-stage.js';
import { diskTogether } from './disk-together.js';
import { hosts } from './hosts.js';
import { installedVersion } from './installed-version.js';
import { memory } from './memory.js';
import { operatingSystem } from './operating-system.js';
import { ports } from './ports.js';
import { reach } from './reach.js';
import { releasePath } from './release-path.js';
import { restorePoint } from './restore-point.js';
import { vendor } from './vendor.js';

/*
 * Every check that there is, in the order of a report. `host-online` is evaluated first of each host and has no facts to go by, so it
 * stands here only by its name.
 */

export const INSTALLATION_CHECKS: readonly InstallationCheck[] = [hosts, releasePath, restorePoint, backupAge];

export const HOST_CHECKS: readonly HostCheck[] = [
  clock,
  certificates,
  installedVersion,
  agentVersion,
  operatingSystem,
  cpu,
  memory,
  diskStage,
  dataVersion,
  ports,
  reach,
  backup,
  diskBackup,
  diskTogether,
  antivirus,
  vendor,
];

type Named = Pick<CheckModule, 'name' | 'passesWhen' | 'neverOverridden'>;

export const HOST_ONLINE: Named = {
  name: 'host-online',
  passesWhen: 'the host answered, and not too long ago; one that may follow later is left out otherwise',
  neverOverridden: 'nobody can update a host that does not answer',
};

export const CHECKS: readonly Named[] = [...INSTALLATION_CHECKS, HOST_ONLINE, ...HOST_CHECKS];
