import { preflightV1 } from '@lastcall/contracts';
import { DAY_MS, HOUR_MS, isRejected } from '@lastcall/kernel';
import { parseReportedBackup } from './report-backup.js';

const NOW = Date.UTC(2026, 10, 29);
const SHA = 'ab'.repeat(32);
type Request = Parameters<typeof preflightV1.ReportBackupRequest.fromPartial>[0];
const file = { path: '/backup/full.bak', sizeBytes: 9n, sha256: SHA };

function parse(more: Request) {
  const usual: Request = { takenAt: new Date(NOW - HOUR_MS), proof: { evidence: { $case: 'file', value: file } } };
  return parseReportedBackup(preflightV1.ReportBackupRequest.fromPartial({ ...usual, ...more }), NOW);
}

describe('a backup that somebody else has made', () => {
  it.each<[string, Request, object]>([
    ['with a file', {}, { takenAt: NOW - HOUR_MS, sizeBytes: 9, sha256: SHA, evidence: { kind: 'file' } }],
    ['with a size of its own', { sizeBytes: 70n }, { sizeBytes: 70 }],
    ['with a hash', { proof: { evidence: { $case: 'sha256', value: SHA } } }, { sha256: SHA, sizeBytes: 0 }],
    [
      'with a command',
      { proof: { evidence: { $case: 'command', value: { command: 'check it', output: 'fine\n' } } } },
      { sha256: '', evidence: { kind: 'command', output: 'fine\n' } },
    ],
    ['a moment ahead', { takenAt: new Date(NOW + 60_000) }, { takenAt: NOW + 60_000 }],
  ])('%s is taken', (_, more, expected) => expect(parse(more)).toMatchObject(expected));

  it.each<[string, Request, string[]]>([
    ['tomorrow', { takenAt: new Date(NOW + DAY_MS) }, ['taken_at']],
    ['years ago', { takenAt: new Date(NOW - 367 * DAY_MS) }, ['taken_at']],
    ['the year 1', { takenAt: new Date(-62_135_596_800_000) }, ['taken_at']],
    ['at no time and without a proof', { takenAt: undefined, proof: undefined }, ['taken_at', 'proof']],
    [
      'with a file that is none',
      { proof: { evidence: { $case: 'file', value: { path: '', sizeBytes: 0n, sha256: 'x' } } } },
      ['proof.file.path', 'proof.file.size_bytes', 'proof.file.sha256'],
    ],
    ['with half a hash', { proof: { evidence: { $case: 'sha256', value: 'ab' } } }, ['proof.sha256']],
    [
      'with a long command',
      { proof: { evidence: { $case: 'command', value: { command: 'x'.repeat(1_001), output: '\u0000' } } } },
      ['proof.command.command', 'proof.command.output'],
    ],
    ['larger than any disk', { sizeBytes: 2n ** 63n }, ['size_bytes']],
  ])('%s is refused, with all that is wrong', (_, more, fields) => {
    const answer = parse(more);
    if (!isRejected(answer)) throw new Error('was taken');
    expect(answer.violations?.map(({ field }) => field)).toEqual(fields);
  });
});
