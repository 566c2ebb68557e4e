import { atToDate, type sessionV1 } from '@lastcall/contracts';
import { cleanText, HOUR_MS, LIMITS, MINUTE_MS } from '@lastcall/kernel';
import type { Notice, NoticeKind } from '../domain/gate-state.js';
import { policyOf, type InstallationFacts, type NoticeTemplate, type SessionPolicy } from '../domain/installation.js';
import { canonicalLanguage, lookups } from './languages.js';
import { formatMessage, type MessageValues } from './message-formats.js';
import { noticeKindToWire } from './notice-kinds.js';
import { MAINTENANCE_TEMPLATES, OWN_TEMPLATES } from './own-templates.js';
import { FALLBACK, noticeLanguage } from './readers.js';

/*
 * A notice in the language of whoever reads it: plain text without control characters and hidden marks, of bounded length. The same
 * notice, `noticeLanguage` and facts give the same message, so it is encoded once for all of them.
 */

export function renderNotice(notice: Notice, language: string, facts: InstallationFacts | undefined): sessionV1.Notice {
  const { id, kind, deadlineAt, startAt, sentAt, version } = notice;
  return {
    notice: id,
    kind: noticeKindToWire(kind),
    text: cleanText(textOf(notice, noticeLanguage(language, facts), facts), LIMITS.textChars),
    link: policyOf(facts).link,
    deadline: deadlineAt === undefined ? undefined : atToDate(deadlineAt),
    startTime: startAt === undefined ? undefined : atToDate(startAt),
    sentAt: atToDate(sentAt),
    version,
  };
}

/** A job's own words do not say when: they are added to what does. */
const ADDED: ReadonlySet<NoticeKind> = new Set(['announcement', 'moved']);

function textOf(notice: Notice, language: string, facts: InstallationFacts | undefined): string {
  const { kind, text } = notice;
  if (text !== '' && !ADDED.has(kind)) return text;
  const said = fromTemplate(notice, language, facts);
  return text === '' ? said : `${said}\n\n${text}`;
}

function fromTemplate(notice: Notice, language: string, facts: InstallationFacts | undefined): string {
  const values = valuesOf(notice);
  const timeZone = facts?.timeZone || 'UTC';
  const policy = policyOf(facts);
  for (const locale of [language, policy.language, FALLBACK]) {
    for (const template of templatesFor(notice, locale, policy)) {
      const text = formatMessage(template, locale, timeZone, values);
      if (text !== undefined) return text;
    }
  }
  // Lastcall's own English has placeholders only that every notice of its kind has; a notice without them is one of a newer service.
  return notice.product;
}

/** The best first: the installation's before Lastcall's own, the longer tag before the shorter. */
function templatesFor(
  { kind, maintenance }: Notice,
  language: string,
  { templates }: SessionPolicy,
): readonly string[] {
  if (maintenance) return lookups(language).flatMap((lookup) => MAINTENANCE_TEMPLATES.get(lookup)?.[kind] ?? []);
  return lookups(language).flatMap((lookup) => [
    ...templates.filter((t) => t.kind === kind && canonicalLanguage(t.language) === lookup).map(({ text }) => text),
    ...(OWN_TEMPLATES.has(lookup) ? [OWN_TEMPLATES.get(lookup)?.[kind] ?? ''] : []),
  ]);
}

const WITH_START: ReadonlySet<NoticeKind> = new Set(['announcement', 'moved', 'cancelled']);
const WITH_DEADLINE: ReadonlySet<NoticeKind> = new Set(['logoff', 'deadline-moved']);

/** Whether a template can be formatted with what a notice of its kind has. */
export function isUsable({ kind, language, text }: NoticeTemplate): boolean {
  const values = valuesOf({
    id: '',
    kind,
    text: '',
    product: 'product',
    version: '1.0.0',
    reason: '',
    whatsNew: '',
    sentAt: 0,
    ...(WITH_START.has(kind) && { startAt: HOUR_MS }),
    ...(WITH_DEADLINE.has(kind) && { deadlineAt: HOUR_MS }),
  });
  return formatMessage(text, canonicalLanguage(language), 'UTC', values) !== undefined;
}

function valuesOf(notice: Notice): MessageValues {
  const { product, version, reason, whatsNew, startAt, deadlineAt, sentAt, maintenance } = notice;
  const at = deadlineAt ?? startAt;
  const closedForMs = deadlineAt === undefined ? undefined : maintenance?.closedForMs;
  return {
    product,
    version,
    reason,
    whatsNew,
    hasVersion: yesNo(version),
    hasReason: yesNo(reason),
    hasWhatsNew: yesNo(whatsNew),
    ...(at !== undefined && { minutes: Math.max(0, Math.round((at - sentAt) / MINUTE_MS)) }),
    ...(startAt !== undefined && { start: atToDate(startAt) }),
    ...(deadlineAt !== undefined && { deadline: atToDate(deadlineAt) }),
    hasUntil: yesNo(closedForMs === undefined ? '' : 'until'),
    ...(closedForMs !== undefined && { until: atToDate((deadlineAt ?? 0) + closedForMs) }),
  };
}

function yesNo(text: string): 'yes' | 'no' {
  return text === '' ? 'no' : 'yes';
}
