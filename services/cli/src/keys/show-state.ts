import { catalogV1 } from '@lastcall/contracts';
import { keyIdOf, namesOf, publicKeyFromHex, type TrustFile } from '@lastcall/trust';
import { fields, table } from '../render/text.js';
import { ownZone, timeIn } from '../render/time.js';
import type { Work } from '../work.js';

/* Who signs for the catalog, and until when it holds. */

const SHOWN_ROLES = 20;

export function showState(work: Work, state: catalogV1.SigningState, trust: TrustFile | undefined): void {
  const names = trust ? namesOf(trust) : new Map<string, string>();
  const set = (keys: catalogV1.SigningKeys | undefined): string => setWords(keys, names);
  const zone = ownZone();
  work.print(catalogV1.SigningState.toJSON(state), () => {
    const who = fields([
      [
        'Signed',
        state.offline
          ? 'root, targets and releases with keys that are not on the catalog'
          : 'by the catalog itself, with keys on its disk',
      ],
      ['Root', `version ${state.rootVersion}: ${set(state.root)}`],
      ['Targets', set(state.targets)],
      ['Releases', set(state.releases)],
      ['Snapshot', set(state.snapshot)],
      ['Timestamp', set(state.timestamp)],
    ]);
    const rows = state.roles
      .slice(0, SHOWN_ROLES)
      .map((role) => [role.role, String(role.version), timeIn(role.expireTime, zone), role.waiting]);
    const more = state.roles.length > SHOWN_ROLES ? `and ${state.roles.length - SHOWN_ROLES} more (-o json)\n` : '';
    const waits = state.roles.some((role) => role.waiting !== '');
    const next = waits ? 'Something waits for signatures: "lastcall keys renew --keys FOLDER".\n' : '';
    return `${who}\n${table(['role', 'version', `ends (${zone})`, 'waiting'], rows)}${more}${next}`;
  });
}

function setWords(keys: catalogV1.SigningKeys | undefined, names: ReadonlyMap<string, string>): string {
  const ids = (keys?.publicKeys ?? []).map((key) => keyIdOf(publicKeyFromHex(Buffer.from(key).toString('hex'))));
  return `${keys?.threshold ?? 0} of ${ids.map((id) => names.get(id) ?? `key ${id.slice(0, 12)}`).join(', ')}`;
}
