import type { catalogV1 } from '@lastcall/contracts';
import { span } from '../render/time.js';
import { good, wrong, type Finding } from './finding.js';

/* Whether hosts will still believe in what the catalog publishes. */

/** The catalog renews this one, which lives 7 days, with half of its life left. */
const MIN_TIMESTAMP_LEFT_MS = 2 * 86_400_000;
const MIN_LEFT_MS = 14 * 86_400_000;

export function judgeTrust(state: catalogV1.SigningState, at: number): Finding[] {
  const findings = state.roles.flatMap((role) => judgeRole(role, state.offline, at));
  return findings.length > 0 ? findings : [good('signatures', 'no signed metadata is near its end')];
}

function judgeRole(signed: catalogV1.SignedRoleState, offline: boolean, at: number): Finding[] {
  const { role, expireTime, waiting } = signed;
  const about = `signatures of ${role}`;
  const byCatalog = !offline || role === 'snapshot' || role === 'timestamp';
  const remedy = byCatalog
    ? 'The catalog renews it by itself: its log says why it does not, and its metadata folder needs room.'
    : 'Sign with the keys that are not on the catalog: "lastcall keys renew --keys FOLDER".';
  const left = expireTime ? expireTime.getTime() - at : Infinity;
  if (left <= 0) return [wrong(about, `ended ${span(-left)} ago; hosts install nothing`, remedy)];
  if (left < (role === 'timestamp' ? MIN_TIMESTAMP_LEFT_MS : MIN_LEFT_MS)) {
    return [wrong(about, `end in ${span(left)}; after that hosts install nothing`, remedy)];
  }
  return waiting === '' ? [] : [wrong(about, `wait: ${waiting}`, remedy)];
}

export function judgeMirror(mirror: catalogV1.Mirror, at: number): Finding[] {
  const left = mirror.expireTime ? mirror.expireTime.getTime() - at : Infinity;
  if (left > MIN_TIMESTAMP_LEFT_MS) return [good('mirror', `hosts believe it for another ${span(left)}`)];
  const found = left <= 0 ? `ended ${span(-left)} ago; hosts install nothing` : `ends in ${span(left)}`;
  return [
    wrong('mirror', found, 'Export at the first catalog and import here: "lastcall mirror import --from FOLDER".'),
  ];
}
