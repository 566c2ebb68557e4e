import { dateToAt, type preflightV1 } from '@lastcall/contracts';
import { checkText, collect, DAY_MS, invalid, MINUTE_MS, type Rejected, type Violation } from '@lastcall/kernel';
import type { BackupFacts, BackupProof } from './domain/facts.js';

/*
 * A backup that was made by a tool of the customer's own, as it is reported: narrowed once, with everything that is wrong about it.
 */

const MAX_AHEAD_MS = 5 * MINUTE_MS;
const MAX_AGE_DAYS = 366;
const MAX_CHARS = 1_000;
const SHA256 = /^[0-9a-f]{64}$/;
/** 1 EiB. */
const MAX_BYTES = 2n ** 60n;

export interface ReportedBackup {
  readonly takenAt: number;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly evidence: BackupProof['evidence'];
}

export function parseReportedBackup(request: preflightV1.ReportBackupRequest, now: number): ReportedBackup | Rejected {
  const { takenAt: taken, sizeBytes, proof } = request;
  const takenAt = dateToAt(taken);
  const evidence = evidenceOf(proof?.evidence);
  const violations = collect(
    checkTakenAt(takenAt, now),
    sizeBytes >= 0n && sizeBytes <= MAX_BYTES ? undefined : outOf('size_bytes', '0 to 2^60'),
  );
  if (Array.isArray(evidence)) violations.push(...evidence);
  if (violations.length > 0 || takenAt === undefined || Array.isArray(evidence)) return invalid(violations);
  const ownBytes = evidence.kind === 'file' ? evidence.sizeBytes : 0;
  const sha256 = evidence.kind === 'command' ? '' : evidence.sha256;
  return { takenAt, sizeBytes: Number(sizeBytes) || ownBytes, sha256, evidence };
}

function checkTakenAt(takenAt: number | undefined, now: number): Violation | undefined {
  const field = 'taken_at';
  if (takenAt === undefined) return { field, description: 'is missing: say when the backup was finished' };
  const said = Number.isFinite(takenAt) ? new Date(takenAt).toISOString() : 'no time';
  if (takenAt > now + MAX_AHEAD_MS)
    return { field, description: `is ${said}, in the future; it is now ${new Date(now).toISOString()}` };
  if (takenAt >= now - MAX_AGE_DAYS * DAY_MS) return undefined;
  return { field, description: `is ${said}; at most ${MAX_AGE_DAYS} days ago is allowed` };
}

function evidenceOf(evidence: preflightV1.BackupProof['evidence']): BackupProof['evidence'] | Violation[] {
  switch (evidence?.$case) {
    case 'file': {
      const { path, sizeBytes, sha256 } = evidence.value;
      const violations = collect(
        checkText('proof.file.path', path, { min: 1, max: MAX_CHARS, lines: false }),
        sizeBytes > 0n && sizeBytes <= MAX_BYTES ? undefined : outOf('proof.file.size_bytes', '1 to 2^60'),
        checkSha256('proof.file.sha256', sha256),
      );
      return violations.length > 0 ? violations : { kind: 'file', path, sizeBytes: Number(sizeBytes), sha256 };
    }
    case 'sha256': {
      const wrong = checkSha256('proof.sha256', evidence.value);
      return wrong ? [wrong] : { kind: 'sha256', sha256: evidence.value };
    }
    case 'command': {
      const { command, output } = evidence.value;
      const violations = collect(
        checkText('proof.command.command', command, { min: 1, max: MAX_CHARS }),
        checkText('proof.command.output', output, { max: MAX_CHARS, lines: true }),
      );
      return violations.length > 0 ? violations : { kind: 'command', command, output };
    }
    default:
      return [
        { field: 'proof', description: 'is missing: give a file, a sha256 or a command; nothing else is believed' },
      ];
  }
}

function checkSha256(field: string, value: string): Violation | undefined {
  return SHA256.test(value) ? undefined : outOf(field, '64 hexadecimal digits in lower case');
}

function outOf(field: string, allowed: string): Violation {
  return { field, description: `must be ${allowed}` };
}

export function reportedFacts(restorePoint: string, reported: ReportedBackup): BackupFacts {
  const { takenAt, sizeBytes, sha256 } = reported;
  return { restorePoint, takenAt, sizeBytes, sha256, verified: true, version: '', verifiedAt: takenAt };
}
