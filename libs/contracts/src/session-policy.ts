import { checkRange, checkText, collect, DAY_MS, HOUR_MS, MINUTE_MS, type Violation } from '@lastcall/kernel';
import {
  NoticeKind,
  type HoldPolicy,
  type NoticeTemplate,
  type SessionPolicy,
} from './gen/lastcall/session/v1/policy.js';
import { messageProblem, type Placeholders } from './message-syntax.js';
import { durationToMs } from './wire.js';

/*
 * The limits of an installation's session settings, in one place: the catalog refuses what is beyond them, the session service
 * leaves it out. Each check says what is wrong, or nothing.
 */

export const POLICY_LIMITS = {
  exemptUsers: 100,
  userChars: 200,
  announceBefore: 10,
  minAnnounceMs: MINUTE_MS,
  maxAnnounceMs: 30 * DAY_MS,
  templates: 100,
  templateChars: 2_000,
  languageChars: 35,
  linkHosts: 20,
  linkChars: 500,
  minHoldMs: MINUTE_MS,
  maxHoldMs: 4 * HOUR_MS,
  holdCount: 200,
  maxRampMs: 10 * MINUTE_MS,
} as const;

const ALWAYS: Placeholders = {
  product: 'text',
  version: 'text',
  reason: 'text',
  whatsNew: 'text',
  hasVersion: 'choice',
  hasReason: 'choice',
  hasWhatsNew: 'choice',
};
const WITH_START: Placeholders = { ...ALWAYS, start: 'date', minutes: 'number' };
const WITH_DEADLINE: Placeholders = { ...ALWAYS, deadline: 'date', minutes: 'number' };

/** What a template of a kind may name. Undefined: the kind has no templates. */
const PLACEHOLDERS: ReadonlyMap<NoticeKind, Placeholders> = new Map([
  [NoticeKind.ANNOUNCEMENT, WITH_START],
  [NoticeKind.MOVED, WITH_START],
  [NoticeKind.CANCELLED, { ...ALWAYS, start: 'date' }],
  [NoticeKind.LOGOFF, WITH_DEADLINE],
  [NoticeKind.DEADLINE_MOVED, WITH_DEADLINE],
  [NoticeKind.POSTPONED, ALWAYS],
  [NoticeKind.BACK_AGAIN, ALWAYS],
]);

/** What is wrong with the session settings of an installation; all of it at once. Absent ones are right. */
export function checkPolicy(policy: SessionPolicy | undefined, field = 'session_policy'): Violation[] {
  if (!policy) return [];
  const { exemptUsers, announceBefore, templates, language, linkHosts, link, holds, reopeningRamp } = policy;
  return collect(
    ...each(`${field}.exempt_users`, exemptUsers, POLICY_LIMITS.exemptUsers, checkExemptUser, (user) => user),
    ...each(
      `${field}.announce_before`,
      announceBefore,
      POLICY_LIMITS.announceBefore,
      checkAnnounceBefore,
      durationToMs,
    ),
    ...each(`${field}.templates`, templates, POLICY_LIMITS.templates, checkTemplate, keyOf),
    language === '' ? undefined : checkLanguage(`${field}.language`, language),
    ...each(`${field}.link_hosts`, linkHosts, POLICY_LIMITS.linkHosts, checkLinkHost, (host) => host.toLowerCase()),
    link === '' ? undefined : checkLink(`${field}.link`, link, linkHosts),
    ...(holds ? checkHolds(`${field}.holds`, holds) : []),
    checkDuration(`${field}.reopening_ramp`, reopeningRamp, 0, POLICY_LIMITS.maxRampMs, '0 s to 10 min'),
  );
}

/** Each item, that there are not too many, and that none is there twice. */
function each<T>(
  field: string,
  items: readonly T[],
  max: number,
  check: (field: string, item: T) => Violation | undefined,
  key: (item: T) => string | number | undefined,
): (Violation | undefined)[] {
  if (items.length > max) return [{ field, description: `has ${items.length} entries; at most ${max} are allowed` }];
  const seen = new Set<string | number | undefined>();
  return items.map((item, i) => {
    const wrong = check(`${field}[${i}]`, item);
    if (wrong) return wrong;
    if (seen.has(key(item))) return { field: `${field}[${i}]`, description: 'is there twice; remove one of them' };
    seen.add(key(item));
    return undefined;
  });
}

function keyOf({ kind, language }: NoticeTemplate): string {
  return `${kind} ${language.toLowerCase()}`;
}

/** A login name, as clients say it. */
export function checkExemptUser(field: string, user: string): Violation | undefined {
  return checkText(field, user, { min: 1, max: POLICY_LIMITS.userChars, lines: false });
}

export function checkAnnounceBefore(field: string, before: { seconds: bigint; nanos: number }): Violation | undefined {
  const { minAnnounceMs, maxAnnounceMs } = POLICY_LIMITS;
  return checkDuration(field, before, minAnnounceMs, maxAnnounceMs, '1 min to 30 days');
}

export function checkTemplate(field: string, { kind, language, text }: NoticeTemplate): Violation | undefined {
  const placeholders = PLACEHOLDERS.get(kind);
  if (!placeholders) {
    const names = [...PLACEHOLDERS.keys()].map((known) => NoticeKind[known]).join(', ');
    const found = NoticeKind[kind] ?? String(kind);
    return { field: `${field}.kind`, description: `is ${found}, which has no templates; those that have are ${names}` };
  }
  const wrong = checkLanguage(`${field}.language`, language);
  if (wrong) return wrong;
  const wrongText = checkText(`${field}.text`, text, { min: 1, max: POLICY_LIMITS.templateChars });
  if (wrongText) return wrongText;
  const problem = messageProblem(text, placeholders);
  return problem === undefined ? undefined : { field: `${field}.text`, description: problem };
}

/** A BCP 47 tag. */
export function checkLanguage(field: string, language: string): Violation | undefined {
  try {
    if (
      language !== '' &&
      language.length <= POLICY_LIMITS.languageChars &&
      Intl.getCanonicalLocales(language).length > 0
    )
      return undefined;
  } catch {
    // A RangeError is the runtime's way to say that it is none; said below in our words.
  }
  const found = JSON.stringify(language.slice(0, POLICY_LIMITS.languageChars));
  return { field, description: `is ${found}, which is no language tag; use one such as de, de-AT or en` };
}

const HOST = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

export function checkLinkHost(field: string, host: string): Violation | undefined {
  if (HOST.test(host)) return undefined;
  const found = JSON.stringify(host.slice(0, 80));
  return {
    field,
    description: `is ${found}; a host name such as help.example.com is needed, without https:// and port`,
  };
}

/** `https://…`, its host one of those, without a user's name or password in it. */
export function checkLink(field: string, link: string, hosts: readonly string[]): Violation | undefined {
  const wrong = checkText(field, link, { max: POLICY_LIMITS.linkChars, lines: false });
  if (wrong) return wrong;
  const url = URL.canParse(link) && /^https:\/\/[^\s\\]+$/i.test(link) ? new URL(link) : undefined;
  if (!url) return { field, description: 'is no link; it must begin with https:// and have no spaces in it' };
  if (url.username !== '' || url.password !== '') {
    return { field, description: 'has a name or password in it; people would not see where it leads' };
  }
  if (hosts.some((host) => host.toLowerCase() === url.hostname)) return undefined;
  return {
    field,
    description: `leads to ${url.hostname}, which is not one of link_hosts; add it there, or change the link`,
  };
}

function checkHolds(field: string, { longest, maxCount, maxTotalDelay }: HoldPolicy): (Violation | undefined)[] {
  const { minHoldMs, maxHoldMs, holdCount } = POLICY_LIMITS;
  return [
    checkDuration(`${field}.longest`, longest, minHoldMs, maxHoldMs, '1 min to 4 h'),
    // Zero is what an absent one looks like.
    maxCount === 0 ? undefined : checkRange(`${field}.max_count`, maxCount, 1, holdCount, 'holds'),
    checkDuration(`${field}.max_total_delay`, maxTotalDelay, minHoldMs, maxHoldMs, '1 min to 4 h'),
  ];
}

/** Absent is right. */
function checkDuration(
  field: string,
  duration: { seconds: bigint; nanos: number } | undefined,
  minMs: number,
  maxMs: number,
  allowed: string,
): Violation | undefined {
  const ms = durationToMs(duration);
  if (ms === undefined || (Number.isInteger(ms) && ms >= minMs && ms <= maxMs)) return undefined;
  return { field, description: `is ${ms / 1_000} s; allowed are ${allowed}` };
}
