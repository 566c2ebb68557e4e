import { commonV1, preflightV1, schedulerV1, sessionV1 } from '@lastcall/contracts';
import fc from 'fast-check';
import { sampleAttendance, sampleReport } from '../testing/sample-report.js';
import { escapeHtml, html } from './html.js';
import { reportPage } from './report-page.js';

const ZONE = 'Europe/Berlin';
const page = (report = sampleReport, attendance = sampleAttendance) => reportPage({ report, attendance, zone: ZONE });

const VOID = new Set(['meta', 'br', '!doctype']);
/** Names of the tags in order; fails when one is not closed, or closed out of turn. */
function tagsOf(text: string): string[] {
  const open: string[] = [];
  const seen: string[] = [];
  for (const [, slash, name = ''] of text.matchAll(/<(\/?)([!a-zA-Z][a-zA-Z0-9]*)(?:\s+[a-z-]+(?:="[^"<>]*")?)*>/g)) {
    if (slash) expect(open.pop()).toBe(name);
    else if (!VOID.has(name)) open.push(name);
    if (!slash) seen.push(name);
  }
  expect(open).toEqual([]);
  // Every < belongs to a tag.
  expect(text.split('<').length - 1).toBe([...text.matchAll(/<\/?[!a-zA-Z]/g)].length);
  return seen;
}

/** What is read, without the marks. */
const read = (text: string): string => text.replace(/<style>.*?<\/style>/s, '').replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' '); // prettier-ignore

describe('the page of a report', () => {
  it('is one whole page without scripts and without anything from elsewhere', () => {
    const tags = tagsOf(page());
    expect(tags.slice(0, 3)).toEqual(['!doctype', 'html', 'head']);
    expect(new Set(tags).has('script')).toBe(false);
    expect(page()).not.toMatch(/\b(src|href|on[a-z]+)=|url\(|@import/);
    expect(tags.filter((tag) => tag === 'section')).toHaveLength(6);
    expect(tags.filter((tag) => ['h1', 'main', 'title', 'footer'].includes(tag))).toHaveLength(4);
  });

  it('is the same bytes for the same report, in whatever order maps and users came', () => {
    const reversed = (map: Record<string, string>) => Object.fromEntries(Object.entries(map).toReversed());
    const { versionsBefore, versionsAfter } = sampleReport;
    const other = { ...sampleReport, versionsBefore: reversed(versionsBefore), versionsAfter: reversed(versionsAfter) };
    expect(page(other, sampleAttendance.toReversed())).toBe(page());
  });

  it.each([
    'encore 11.0.0 → 11.1.0 on berlin',
    'update-11-1 (software-update)',
    'Requested by anna Confirmed users-logged-in',
    '38 min 3 s, estimated 34 min (median of 6 runs)',
    '4 told, 4 received it, 3 read it, 2 left (1 said that they were ready), 1 logged off, 1 lost, 1 hold',
    'ada Ada Lovelace berlin-ts1 22:03:41 22:03:42 22:04:10 22:09:30 22:09:30 ready',
    'alan Alan Turing berlin-ts1 22:03:41 22:03:42 22:03:59 22:18:41 deadline',
    'Shut for 34 min 24 s Stays shut berlin-ts2: the client did not start',
    'passed disk-stage server-1 at least 3.2 GiB free on /srv 48.1 GiB free 22:00:04',
    'Proof proven 2026-11-24 22:26:11 (Europe/Berlin) Encrypted with key k-7 SHA-256 9f86d081',
    'berlin-ts2 terminal-server 10.9.4 11.1.0 the client did not start',
    'desk-7 workstation 11.0.0 11.0.0 was switched off, follows later',
    'backing-up 7 min 24 s 6 min 6 s',
    'Estimates are the median of 6 earlier runs.',
    '2026-11-24 22:35:09 HostUpdated berlin-ts2 10.9.4 → 11.1.0',
    'Times are those of Europe/Berlin.',
  ])('says: %s', (text) => expect(read(page())).toContain(text));

  it('says what a command came to on each host, and nothing of versions', () => {
    const spec = { ...sampleReport.run?.spec, type: commonV1.JobType.RUN_COMMAND, command: 'reindex', toVersion: '' };
    const failure = { reason: 'COMMAND_FAILED', message: 'it ended with exit code 3' };
    const commandResults = [
      { host: 'server-1', output: '12 <b>bookings</b>' },
      { host: 'server-2', output: '', failure },
    ];
    const report = schedulerV1.RunReport.fromPartial({ ...sampleReport, run: { spec }, commandResults });
    const text = page(report, []);
    expect(text).toContain('12 &lt;b&gt;bookings&lt;/b&gt;');
    expect(read(text)).toContain('reindex of encore 11.0.0 on berlin');
    expect(read(text)).toContain('server-2 it ended with exit code 3 [COMMAND_FAILED]');
    expect(read(text)).not.toContain('10.9.4');
  });

  it('says why a run failed, what blocks first, and what is not known', () => {
    const { FAILED, PASSED } = preflightV1.Verdict;
    const checks = [
      { check: 'a-green', verdict: PASSED },
      {
        check: 'c-let',
        verdict: FAILED,
        found: 'too old',
        remedy: 'Renew it.',
        override: { createdBy: 'otto', reason: 'New one on Monday.' },
      },
      { check: 'b-red', host: 'ts1', verdict: FAILED, found: 'too full', remedy: 'Make room.' },
    ];
    const failure = { reason: 'NOT_READY', message: 'ts1: too full.', host: 'ts1', facts: { by: 'anna' } };
    const failed = schedulerV1.RunReport.fromPartial({
      run: { outcome: commonV1.RunOutcome.FAILED, failure, alarm: true },
      preflight: { verdict: FAILED, checks },
      drain: { told: 3 },
    });
    const text = read(page(failed, []));
    expect(text).toContain('failed A person is needed Why on ts1: ts1: too full. NOT_READY');
    expect(text).toContain('Ended by anna');
    expect(text).toMatch(/failed b-red ts1 too full To do: Make room\. .*passed a-green/);
    expect(text).toContain('Overridden: c-let by otto: New one on Monday.');
    expect(text).not.toContain('Renew it.');
    expect(text).toContain('Their names cannot be shown.');
  });

  it.each([
    [{ verified: false, verifyFailure: { message: 'it is damaged' } }, 'NOT PROVEN: it is damaged'],
    [{ verified: true, proof: { reportedBy: 'veeam', evidence: { $case: 'command' as const, value: { command: 'check nightly' } } } }, 'reported by veeam, proven by the command check nightly'],
    [{ verified: true, proof: { reportedBy: 'tar', evidence: { $case: 'file' as const, value: { path: '/b.tar', sizeBytes: 2_048n, sha256: 'ab' } } } }, 'reported by tar, proven by the file /b.tar (2.0 KiB, SHA-256 ab)'],
  ])('says what speaks for a backup: %#', (backup, text) => {
    const report = schedulerV1.RunReport.fromPartial({ backup: { restorePoint: 'rp', ...backup } });
    expect(read(page(report, []))).toContain(`Proof ${text}`.slice(0, 60));
    expect(read(page(report, [])).replace(/ +/g, ' ')).toContain(text);
  }); // prettier-ignore

  it('serves a run that goes on, and says what it waits for', () => {
    const waitingFor = { text: 'waiting for host ts1 (download 43 %)' };
    const text = page(schedulerV1.RunReport.fromPartial({ run: { phase: 'staging', waitingFor } }), []);
    tagsOf(text);
    expect(read(text)).toContain('still running waiting for host ts1 (download 43 %)');
  });

  it('shows hostile text as text, wherever it comes from', () => {
    const hostile = fc.oneof(
      fc.constantFrom('<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "' onload='x", '</style><b>', '&lt;', '\u202etxt', '\u0000', '${x}', ']]>'), // prettier-ignore
      fc.string({ unit: 'grapheme' }),
    );
    const clean = tagsOf(page(everywhere('x'), attendanceOf('x')));
    fc.assert(
      fc.property(hostile, (text) => {
        expect(tagsOf(page(everywhere(text || 'x'), attendanceOf(text || 'x')))).toEqual(clean);
      }),
    );
    const shown = page(everywhere('<b>"\u202e'), attendanceOf('<b>"'));
    expect(shown).toContain('&lt;b&gt;&quot;\ufffd');
    expect(shown).not.toMatch(/<b>"|\u202e/);
  });
});

/** A report in which every text is this one. */
function everywhere(text: string): schedulerV1.RunReport {
  const spec = { product: text, installation: text, fromVersion: text, toVersion: text, requestedBy: text, message: text, hosts: [{ host: text }] }; // prettier-ignore
  const failure = { reason: text, message: text, host: text };
  const timeline = [{ event: text, host: text, text, time: new Date(0) }];
  return schedulerV1.RunReport.fromPartial({
    run: { name: `installations/x/runs/${text}`, job: text, failure, timeline, spec },
    preflight: {
      checks: [
        {
          check: text,
          host: text,
          asked: text,
          found: text,
          remedy: text,
          override: { createdBy: text, reason: text },
        },
      ],
    },
    drain: { told: 1 },
    backup: { restorePoint: 'rp', host: text, version: text, sha256: text },
    versionsBefore: { [`h${text}`]: text },
    versionsAfter: { [`h${text}`]: text },
    absentHosts: [text],
    confirmedCautions: [text],
    phases: [{ phase: text }],
    shutHosts: { [`h${text}`]: text },
    wayBack: { failures: [failure] },
  });
}

function attendanceOf(text: string): sessionV1.Attendance[] {
  return [sessionV1.Attendance.fromPartial({ user: text, displayName: text, host: text, session: text })];
}

describe('html', () => {
  it('escapes what is put in, and nothing twice', () => {
    expect(html`<p title="${'"a"'}">${['<', html`<b>${'&'}</b>`, undefined, false, 0]}</p>`.text).toBe(
      '<p title="&quot;a&quot;">&lt;<b>&amp;</b>0</p>',
    );
    expect(escapeHtml(`'`)).toBe('&#39;');
  });
});
