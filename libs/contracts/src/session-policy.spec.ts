import { NoticeKind, SessionPolicy } from './gen/lastcall/session/v1/policy.js';
import { checkPolicy } from './session-policy.js';

const { ANNOUNCEMENT, BACK_AGAIN, LOGOFF, MESSAGE } = NoticeKind;
const seconds = (s: number) => ({ seconds: BigInt(s), nanos: 0 });

function wrong(policy: Parameters<typeof SessionPolicy.fromPartial>[0]): string[] {
  return checkPolicy(SessionPolicy.fromPartial(policy)).map(({ field, description }) => `${field} ${description}`);
}

function template(text: string, kind = LOGOFF, language = 'de') {
  return { kind, language, text };
}

describe('the session settings of an installation', () => {
  it('may be absent, empty, or all of it', () => {
    expect(checkPolicy(undefined)).toEqual([]);
    expect(wrong({})).toEqual([]);
    const whole = {
      exemptUsers: ['support', 'Jörg Müller'],
      announceBefore: [seconds(60), seconds(30 * 86_400)],
      templates: [template('{product}: {deadline, time, short}'), template('{start}', ANNOUNCEMENT, 'de-AT')],
      language: 'de',
      linkHosts: ['help.example.com', 'intranet'],
      link: 'https://Help.example.com:8443/updates?x=1#new',
      holds: { longest: seconds(600), maxCount: 3, maxTotalDelay: seconds(3_600), needsApproval: true },
      reopeningRamp: seconds(0),
    };
    expect(wrong(whole)).toEqual([]);
  });

  it('is refused with everything that is wrong at once, each with its field', () => {
    const found = wrong({
      exemptUsers: ['ok', '', 'ok', 'a\u202eb', 'x'.repeat(201)],
      announceBefore: [seconds(59), seconds(30 * 86_400 + 1), seconds(60), seconds(60), { seconds: 90n, nanos: 1 }],
      language: 'deutsch!',
      linkHosts: ['https://help.example.com', 'a', 'A'],
      holds: { longest: seconds(59), maxCount: 201, maxTotalDelay: seconds(5 * 3_600) },
      reopeningRamp: seconds(601),
    });
    expect(found).toEqual([
      'session_policy.exempt_users[1] is empty; at least 1 character is needed',
      'session_policy.exempt_users[2] is there twice; remove one of them',
      'session_policy.exempt_users[3] contains the control character U+202E at position 2; remove it',
      'session_policy.exempt_users[4] has 201 characters; at most 200 are allowed',
      'session_policy.announce_before[0] is 59 s; allowed are 1 min to 30 days',
      'session_policy.announce_before[1] is 2592001 s; allowed are 1 min to 30 days',
      'session_policy.announce_before[3] is there twice; remove one of them',
      'session_policy.language is "deutsch!", which is no language tag; use one such as de, de-AT or en',
      'session_policy.link_hosts[0] is "https://help.example.com"; a host name such as help.example.com is needed, without https:// and port',
      'session_policy.link_hosts[2] is there twice; remove one of them',
      'session_policy.holds.longest is 59 s; allowed are 1 min to 4 h',
      'session_policy.holds.max_count is 201; allowed are 1 to 200 holds',
      'session_policy.holds.max_total_delay is 18000 s; allowed are 1 min to 4 h',
      'session_policy.reopening_ramp is 601 s; allowed are 0 s to 10 min',
    ]);
  });

  it('has no more entries than are allowed', () => {
    const found = wrong({
      exemptUsers: Array.from({ length: 101 }, (_, i) => `user${i}`),
      announceBefore: Array.from({ length: 11 }, (_, i) => seconds(60 + i)),
      templates: Array.from({ length: 101 }, () => template('x')),
      linkHosts: Array.from({ length: 21 }, (_, i) => `h${i}`),
    });
    expect(found).toEqual([
      'session_policy.exempt_users has 101 entries; at most 100 are allowed',
      'session_policy.announce_before has 11 entries; at most 10 are allowed',
      'session_policy.templates has 101 entries; at most 100 are allowed',
      'session_policy.link_hosts has 21 entries; at most 20 are allowed',
    ]);
  });

  it('has templates of a kind and language, each once, that name what is known of the kind', () => {
    const found = wrong({
      templates: [
        template('x', MESSAGE),
        template('x', NoticeKind.UNSPECIFIED),
        template('x', 77 as NoticeKind),
        template('x', LOGOFF, ''),
        template(''),
        template('x'.repeat(2_001)),
        template('ring \u0007'),
        template('from {start}'),
        template('at {deadline}', BACK_AGAIN),
        template('{version'),
        template('fine'),
        template('twice', LOGOFF, 'DE'),
      ],
    });
    const kinds = 'ANNOUNCEMENT, MOVED, CANCELLED, LOGOFF, DEADLINE_MOVED, POSTPONED, BACK_AGAIN';
    const known = 'product, version, reason, whatsNew, hasVersion, hasReason, hasWhatsNew';
    expect(found).toEqual([
      `session_policy.templates[0].kind is MESSAGE, which has no templates; those that have are ${kinds}`,
      `session_policy.templates[1].kind is UNSPECIFIED, which has no templates; those that have are ${kinds}`,
      `session_policy.templates[2].kind is 77, which has no templates; those that have are ${kinds}`,
      'session_policy.templates[3].language is "", which is no language tag; use one such as de, de-AT or en',
      'session_policy.templates[4].text is empty; at least 1 character is needed',
      'session_policy.templates[5].text has 2001 characters; at most 2000 are allowed',
      'session_policy.templates[6].text contains the control character U+0007 at position 6; remove it',
      `session_policy.templates[7].text names {start}; known here are ${known}, deadline, minutes (at character 12)`,
      `session_policy.templates[8].text names {deadline}; known here are ${known} (at character 13)`,
      'session_policy.templates[9].text needs a , after {version (at character 9)',
      'session_policy.templates[11] is there twice; remove one of them',
    ]);
  });

  it.each([
    ['http://help.example.com/', 'is no link; it must begin with https:// and have no spaces in it'],
    ['javascript:alert(1)', 'is no link; it must begin with https:// and have no spaces in it'],
    ['https://help.example.com/a b', 'is no link; it must begin with https:// and have no spaces in it'],
    ['https:\\\\help.example.com', 'is no link; it must begin with https:// and have no spaces in it'],
    ['https://help.example.com\u202e/', 'contains the control character U+202E at position 25; remove it'],
    ['https://help.example.com@evil.test/', 'has a name or password in it; people would not see where it leads'],
    ['https://evil.test/', 'leads to evil.test, which is not one of link_hosts; add it there, or change the link'],
    [
      'https://help.example.com.evil.test/',
      'leads to help.example.com.evil.test, which is not one of link_hosts; add it there, or change the link',
    ],
    [`https://help.example.com/${'x'.repeat(500)}`, 'has 525 characters; at most 500 are allowed'],
  ])('does not lead to %s', (link, description) => {
    expect(wrong({ linkHosts: ['help.example.com'], link })).toEqual([`session_policy.link ${description}`]);
  });
});
