import { isNeedless } from './backup-basis.js';
import type { HostFacts, Requirements } from './facts.js';

/* How much room an update needs and where, in bytes. Sizes are those that the catalog signed and the host measured. */

/** Where versions are staged. */
export function stageNeed(demands: Requirements, facts: HostFacts): number {
  return demands.stageFreeBytes + (facts.staged ? 0 : demands.treeBytes);
}

/** Where backups are kept; undefined: the host could not measure its data. */
export function backupNeed(demands: Requirements | undefined, facts: HostFacts): number | undefined {
  if (isNeedless(demands, facts.canBackUp)) return 0;
  if (facts.dataBytes === undefined) return undefined;
  // An agent that packs what was written has both for a moment.
  return Math.max(facts.dataBytes, facts.backupNeededBytes ?? 0) + (demands?.backupFreeBytes ?? 0);
}

/** Where the data are: a way back restores them while those that were migrated are still there. */
export function rollbackNeed(demands: Requirements, facts: HostFacts): number | undefined {
  return demands.changesData ? facts.dataBytes : 0;
}
