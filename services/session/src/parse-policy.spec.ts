import { sessionV1 } from '@lastcall/contracts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '@lastcall/kernel';
import { DEFAULT_POLICY, policyOf } from './domain/installation.js';
import { parsePolicy } from './parse-policy.js';

const seconds = (s: number) => ({ seconds: BigInt(s), nanos: 0 });
const policy = (wire: Parameters<typeof sessionV1.SessionPolicy.fromPartial>[0]) =>
  parsePolicy(sessionV1.SessionPolicy.fromPartial(wire));
const { LOGOFF, MESSAGE } = sessionV1.NoticeKind;

describe('session settings', () => {
  it('have their defaults where nothing is said', () => {
    expect(parsePolicy(undefined)).toEqual(DEFAULT_POLICY);
    expect(policy({})).toEqual(DEFAULT_POLICY);
    expect(policy({ holds: {} })).toEqual(DEFAULT_POLICY);
    expect(policyOf(undefined)).toBe(DEFAULT_POLICY);
    expect(DEFAULT_POLICY.announceBeforeMs).toEqual([DAY_MS, HOUR_MS, 15 * MINUTE_MS, 5 * MINUTE_MS]);
  });

  it('are what was said', () => {
    const template = { kind: LOGOFF, language: 'de', text: '{product}' };
    expect(
      policy({
        exemptUsers: ['support'],
        announceBefore: [seconds(60), seconds(7_200), seconds(60)],
        templates: [template],
        language: 'de',
        linkHosts: ['help.example.com'],
        link: 'https://help.example.com/x',
        holds: { longest: seconds(600), maxCount: 3, maxTotalDelay: seconds(1_200), needsApproval: true },
        reopeningRamp: seconds(0),
      }),
    ).toEqual({
      exemptUsers: ['support'],
      announceBeforeMs: [2 * HOUR_MS, MINUTE_MS],
      templates: [{ kind: 'logoff', language: 'de', text: '{product}' }],
      language: 'de',
      link: 'https://help.example.com/x',
      holds: { longestMs: 10 * MINUTE_MS, maxCount: 3, maxTotalDelayMs: 20 * MINUTE_MS, needsApproval: true },
      reopeningRampMs: 0,
    });
    expect(policy({ announcementsOff: true, announceBefore: [seconds(60)] }).announceBeforeMs).toEqual([]);
  });

  it('have their defaults where something is wrong, and keep the rest', () => {
    const good = { kind: LOGOFF, language: 'de', text: 'good' };
    expect(
      policy({
        exemptUsers: ['', 'a\u202eb', 'support', 'x'.repeat(300)],
        announceBefore: [seconds(1), seconds(3_600), seconds(90 * 86_400)],
        templates: [
          { ...good, text: '{' },
          { ...good, kind: MESSAGE },
          { ...good, kind: 99 as sessionV1.NoticeKind },
          { ...good, language: '!' },
          good,
        ],
        language: '!',
        linkHosts: ['help.example.com', 'not a host'],
        link: 'https://evil.test/',
        holds: { longest: seconds(1), maxCount: 4_000_000_000, maxTotalDelay: seconds(99_999), needsApproval: true },
        reopeningRamp: seconds(-1),
      }),
    ).toEqual({
      ...DEFAULT_POLICY,
      exemptUsers: ['support'],
      announceBeforeMs: [HOUR_MS],
      templates: [{ kind: 'logoff', language: 'de', text: 'good' }],
      holds: { ...DEFAULT_POLICY.holds, needsApproval: true },
    });
    expect(policy({ announceBefore: [seconds(1)] }).announceBeforeMs).toEqual(DEFAULT_POLICY.announceBeforeMs);
    expect(policy({ exemptUsers: Array.from({ length: 200 }, (_, i) => `u${i}`) }).exemptUsers).toHaveLength(100);
  });
});
