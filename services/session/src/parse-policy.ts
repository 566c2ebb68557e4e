import {
  checkAnnounceBefore,
  checkExemptUser,
  checkLanguage,
  checkLink,
  checkLinkHost,
  checkTemplate,
  durationToMs,
  POLICY_LIMITS,
  type sessionV1,
} from '@lastcall/contracts';
import { DEFAULT_POLICY, type HoldPolicy, type NoticeTemplate, type SessionPolicy } from './domain/installation.js';
import { noticeKindFromWire } from './notices/notice-kinds.js';

/*
 * The session settings of an installation as values. The catalog has refused what is wrong; what gets here all the same (from a newer
 * or older catalog) is left out and has its default, because users must be told and let in whatever is in the settings.
 */

export function parsePolicy(wire: sessionV1.SessionPolicy | undefined): SessionPolicy {
  if (!wire) return DEFAULT_POLICY;
  const hosts = wire.linkHosts.filter((host) => !checkLinkHost('', host)).slice(0, POLICY_LIMITS.linkHosts);
  return {
    exemptUsers: wire.exemptUsers.filter((user) => !checkExemptUser('', user)).slice(0, POLICY_LIMITS.exemptUsers),
    announceBeforeMs: parseAnnounceBefore(wire),
    templates: wire.templates.slice(0, POLICY_LIMITS.templates).flatMap(parseTemplate),
    language: checkLanguage('', wire.language) ? DEFAULT_POLICY.language : wire.language,
    link: wire.link === '' || checkLink('', wire.link, hosts) ? '' : wire.link,
    holds: parseHolds(wire.holds),
    reopeningRampMs: within(wire.reopeningRamp, 0, POLICY_LIMITS.maxRampMs, DEFAULT_POLICY.reopeningRampMs),
  };
}

/** The longest first, each once. */
function parseAnnounceBefore(wire: sessionV1.SessionPolicy): readonly number[] {
  if (wire.announcementsOff) return [];
  const right = wire.announceBefore.filter((before) => !checkAnnounceBefore('', before));
  const ms = new Set(right.slice(0, POLICY_LIMITS.announceBefore).map((before) => durationToMs(before) ?? 0));
  return ms.size === 0 ? DEFAULT_POLICY.announceBeforeMs : [...ms].toSorted((a, b) => b - a);
}

function parseTemplate(wire: sessionV1.NoticeTemplate): readonly NoticeTemplate[] {
  const kind = noticeKindFromWire(wire.kind);
  if (kind === undefined || checkTemplate('', wire)) return [];
  return [{ kind, language: wire.language, text: wire.text }];
}

function parseHolds(wire: sessionV1.HoldPolicy | undefined): HoldPolicy {
  const defaults = DEFAULT_POLICY.holds;
  if (!wire) return defaults;
  const { minHoldMs, maxHoldMs, holdCount } = POLICY_LIMITS;
  const { maxCount } = wire;
  return {
    longestMs: within(wire.longest, minHoldMs, maxHoldMs, defaults.longestMs),
    maxCount: maxCount >= 1 && maxCount <= holdCount ? maxCount : defaults.maxCount,
    maxTotalDelayMs: within(wire.maxTotalDelay, minHoldMs, maxHoldMs, defaults.maxTotalDelayMs),
    needsApproval: wire.needsApproval,
  };
}

function within(wire: Parameters<typeof durationToMs>[0], min: number, max: number, absent: number): number {
  const ms = durationToMs(wire);
  return ms !== undefined && ms >= min && ms <= max ? ms : absent;
}
