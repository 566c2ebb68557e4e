import type { preflightV1 } from '@lastcall/contracts';
import { invalid, isRejected, randomId, reject, type Rejected } from '@lastcall/kernel';
import { nameOf, type RpcContext } from '@lastcall/runtime';
import type { Document } from '@lastcall/store';
import { restorePointName, type BackupDocument } from './documents.js';
import type { Parts } from './events.js';
import { parseReportedBackup, reportedFacts } from './report-backup.js';
import { backupToWire } from './wire.js';

/*
 * What operators do with backups besides taking and restoring them.
 */

const MAX_KEEP = 1_000;

export async function verifyBackup(
  { backups, documents }: Parts,
  { id, data: { state } }: Document<BackupDocument>,
): Promise<preflightV1.VerifyBackupResponse | Rejected> {
  if (state.phase !== 'taken' || state.host === '') {
    const message = `${id} is no restore point that could be verified; choose one of: lastcall backup list`;
    return reject('refused', 'NOT_VERIFIABLE', message);
  }
  await backups.apply(id, (at) => ({ type: 'verify', at }));
  const after = await documents.backups.get(id);
  return { backup: after && backupToWire(id, after.data) };
}

export async function reportBackup(
  { backups }: Parts,
  request: preflightV1.ReportBackupRequest,
  { installation, product, now }: { readonly installation: string; readonly product: string; readonly now: number },
  { principal }: RpcContext,
): Promise<preflightV1.ReportBackupResponse | Rejected> {
  const reported = parseReportedBackup(request, now);
  if (isRejected(reported)) return reported;
  const restorePoint = restorePointName(reported.takenAt, randomId('b'));
  const proof = { evidence: reported.evidence, reportedBy: principal?.subject ?? '', reportedAt: now };
  const facts = reportedFacts(restorePoint, reported);
  const document = await backups.report(restorePoint, { installation, product }, facts, proof);
  return { backup: backupToWire(restorePoint, document) };
}

/** What is asked for, before anybody is asked whether the installation is there. */
export function parsePolicy({
  parent,
  policy,
}: preflightV1.UpdateBackupPolicyRequest): { readonly installation: string; readonly keep: number } | Rejected {
  const id = nameOf('installation', parent, 'parent');
  if (isRejected(id)) return id;
  const keep = policy?.keep ?? 0;
  if (keep < 1 || keep > MAX_KEEP) {
    return invalid([{ field: 'policy.keep', description: `is ${keep}; allowed are 1 to ${MAX_KEEP} restore points` }]);
  }
  return { installation: id.installation, keep };
}
