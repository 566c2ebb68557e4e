import {
  checkHolidayRegion,
  checkPolicy,
  checkVersion,
  durationToMs,
  holidayRegionOf,
  installationKind,
  NAMES,
  parseName,
  sessionV1,
  type catalogV1,
  type NameKind,
  type NameParts,
} from '@lastcall/contracts';
import {
  checkId,
  checkText,
  checkTimeZone,
  collect,
  HOUR_MS,
  invalid,
  isRejected,
  LIMITS,
  MINUTE_MS,
  type Rejected,
  type Violation,
} from '@lastcall/kernel';
import { DEFAULT_VALID_MS, MAX_VALID_MS, MIN_VALID_MS, pageOf, type PageRequest } from '@lastcall/runtime';
import {
  WEEKDAYS,
  type ChangeableSettings,
  type DaySpan,
  type InstallationSettings,
  type Weekday,
} from './domain/installation.js';

/*
 * Requests as values, every wrong field at once. Limits are those of the protos.
 */

const DEFAULT_REACTION_MS = 5 * MINUTE_MS;
const MAX_REACTION_MS = 24 * HOUR_MS;
const MAX_DATES = 1_000;
const MAX_SPANS = 100;
/** That may need a second person. */
const ACTIONS: readonly string[] = ['gate', 'logoff', 'override'];

/** Gathers what is wrong with a request. */
export class Wrong {
  readonly violations: Violation[] = [];

  add(...violations: readonly (Violation | undefined)[]): void {
    this.violations.push(...collect(...violations));
  }

  /** Parts of a resource name; empty texts when it is wrong. */
  name<K extends NameKind>(kind: K, field: string, name: string): NameParts<K> {
    const parsed = parseName(kind, field, name);
    if (parsed.ok) return parsed.parts;
    this.add(parsed.violation);
    const variables = [...NAMES[kind].matchAll(/\{(\w+)\}/g)].map((match) => [match[1], ''] as const);
    return Object.fromEntries(variables) as NameParts<K>;
  }

  /** The rejection, or undefined when nothing is wrong. */
  rejected(): Rejected | undefined {
    return this.violations.length === 0 ? undefined : invalid(this.violations);
  }
}

export function parsePage(wrong: Wrong, request: { pageSize: number; pageToken: string }): PageRequest {
  const page = pageOf(request);
  if (!isRejected(page)) return page;
  wrong.add(...page.violations);
  return { limit: LIMITS.defaultPageSize };
}

export function checkTitle(field: string, title: string): Violation | undefined {
  return checkText(field, title, { min: 1, max: LIMITS.titleChars, lines: false });
}

export function checkOptionalVersion(field: string, version: string): Violation | undefined {
  return version === '' ? undefined : checkVersion(field, version);
}

function parseReactionTime(wrong: Wrong, duration: catalogV1.Installation['reactionTime']): number {
  const ms = durationToMs(duration) ?? DEFAULT_REACTION_MS;
  if (!Number.isInteger(ms) || ms < 0 || ms > MAX_REACTION_MS) {
    const description = `is ${ms / 1000} s; allowed are 0 s to 24 h`;
    wrong.add({ field: 'installation.reaction_time', description });
  }
  return ms;
}

const OPENS = /^([01]\d|2[0-3]):[0-5]\d$/;
/** A day may be open to its end. */
const CLOSES = /^(([01]\d|2[0-3]):[0-5]\d|24:00)$/;

function isWeekday(text: string): text is Weekday {
  return (WEEKDAYS as readonly string[]).includes(text);
}

function parseSpan(wrong: Wrong, field: string, { weekday, opens, closes }: catalogV1.DaySpan): DaySpan | undefined {
  const before = wrong.violations.length;
  if (!isWeekday(weekday)) {
    wrong.add({ field: `${field}.weekday`, description: `is ${quoted(weekday)}; allowed are ${WEEKDAYS.join(', ')}` });
  }
  if (!OPENS.test(opens)) {
    wrong.add({ field: `${field}.opens`, description: `is ${quoted(opens)}; allowed is HH:MM from 00:00 to 23:59` });
  }
  if (!CLOSES.test(closes)) {
    wrong.add({ field: `${field}.closes`, description: `is ${quoted(closes)}; allowed is HH:MM up to 24:00` });
  }
  if (wrong.violations.length === before && closes <= opens) {
    const description = `is ${closes}, which is not later than ${opens}; hours over midnight are two spans`;
    wrong.add({ field: `${field}.closes`, description });
  }
  return isWeekday(weekday) ? { weekday, opens, closes } : undefined;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function parseBusinessHours(wrong: Wrong, spans: readonly catalogV1.DaySpan[]): readonly DaySpan[] {
  const field = 'installation.business_hours';
  if (spans.length > MAX_SPANS) {
    wrong.add({ field, description: `has ${spans.length} spans; at most ${MAX_SPANS} are allowed` });
    return [];
  }
  return spans.map((span, i) => parseSpan(wrong, `${field}[${i}]`, span)).filter((span) => span !== undefined);
}

function isDate(text: string): boolean {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}

function parseDates(wrong: Wrong, field: string, dates: readonly string[]): readonly string[] {
  if (dates.length > MAX_DATES) {
    wrong.add({ field, description: `has ${dates.length} dates; at most ${MAX_DATES} are allowed` });
    return [];
  }
  dates.forEach((date, i) => {
    if (isDate(date)) return;
    wrong.add({ field: `${field}[${i}]`, description: `is ${quoted(date)}; allowed is a date, YYYY-MM-DD` });
  });
  return [...new Set(dates)].toSorted();
}

type Field = keyof ChangeableSettings;

type Values = Required<ChangeableSettings>;

const PARSERS: { readonly [F in Field]: (wrong: Wrong, wire: catalogV1.Installation) => Values[F] } = {
  title: (wrong, { title }) => {
    wrong.add(checkTitle('installation.title', title));
    return title;
  },
  channel: (wrong, { channel }) => {
    wrong.add(checkId('installation.channel', channel));
    return channel;
  },
  timeZone: (wrong, { timeZone }) => {
    wrong.add(checkTimeZone('installation.time_zone', timeZone));
    return timeZone;
  },
  businessHours: (wrong, { businessHours }) => parseBusinessHours(wrong, businessHours),
  holidays: (wrong, { holidays }) => parseDates(wrong, 'installation.holidays', holidays),
  reactionTimeMs: (wrong, { reactionTime }) => parseReactionTime(wrong, reactionTime),
  sessionPolicy: (wrong, { sessionPolicy }) => {
    wrong.add(...checkPolicy(sessionPolicy, 'installation.session_policy'));
    return sessionPolicy ? (sessionV1.SessionPolicy.toJSON(sessionPolicy) as Values['sessionPolicy']) : {};
  },
  group: (wrong, { group }) => {
    if (group !== '') wrong.add(checkId('installation.group', group));
    return group;
  },
  approvalRequired: (wrong, { approvalRequired, kind }) => {
    if (approvalRequired && installationKind.fromWire(kind) === 'single-user') {
      const description = 'is for installations with many users; this one has a single seat';
      wrong.add({ field: 'installation.approval_required', description });
    }
    return approvalRequired;
  },
  secondPerson: (wrong, { secondPerson, kind }) => {
    const { actions = [], validFor } = secondPerson ?? {};
    if (actions.length > 0 && installationKind.fromWire(kind) === 'single-user') {
      const description = 'is for installations with many users; this one has a single seat';
      wrong.add({ field: 'installation.second_person', description });
    }
    const unknown = actions.find((action) => !ACTIONS.includes(action));
    if (unknown !== undefined) {
      const description = `is ${quoted(unknown)}; allowed are ${ACTIONS.join(', ')}`;
      wrong.add({ field: 'installation.second_person.actions', description });
    }
    const validMs = durationToMs(validFor) ?? DEFAULT_VALID_MS;
    if (validMs < MIN_VALID_MS || validMs > MAX_VALID_MS) {
      const description = `is ${validMs / 1000} s; allowed are 1 min to 24 h`;
      wrong.add({ field: 'installation.second_person.valid_for', description });
    }
    return { actions: [...new Set(actions)].toSorted().slice(0, ACTIONS.length), validMs };
  },
  holidaysOf: (wrong, { holidaysOf }) => {
    if (holidaysOf !== '') wrong.add(checkHolidayRegion('installation.holidays_of', holidaysOf));
    return holidayRegionOf(holidaysOf) ?? '';
  },
  workedHolidays: (wrong, { workedHolidays }) => parseDates(wrong, 'installation.worked_holidays', workedHolidays),
};

/** Names of the fields in an update mask. */
const MASK: ReadonlyMap<string, Field> = new Map([
  ['title', 'title'],
  ['channel', 'channel'],
  ['time_zone', 'timeZone'],
  ['business_hours', 'businessHours'],
  ['holidays', 'holidays'],
  ['reaction_time', 'reactionTimeMs'],
  ['session_policy', 'sessionPolicy'],
  ['group', 'group'],
  ['approval_required', 'approvalRequired'],
  ['second_person', 'secondPerson'],
  ['holidays_of', 'holidaysOf'],
  ['worked_holidays', 'workedHolidays'],
]);

function parseFields(
  wrong: Wrong,
  wire: catalogV1.Installation,
  fields: readonly Field[],
): Partial<ChangeableSettings> {
  return Object.fromEntries(fields.map((field) => [field, PARSERS[field](wrong, wire)]));
}

/** Settings of a new installation. An empty channel is `stable`. */
export function parseSettings(wrong: Wrong, given: catalogV1.Installation): InstallationSettings {
  const wire = { ...given, channel: given.channel === '' ? 'stable' : given.channel };
  const kind = installationKind.fromWire(wire.kind);
  wrong.add(checkId('installation.product', wire.product));
  if (!kind) {
    wrong.add({ field: 'installation.kind', description: 'is not said; allowed are SINGLE_USER and MULTI_USER' });
  }
  const changeable = parseFields(wrong, wire, [...MASK.values()]) as ChangeableSettings;
  return { ...changeable, product: wire.product, kind: kind ?? 'single-user' };
}

/** A caller that is older than some of the fields says nothing about them, and does not mean their defaults. */
function allFields(wire: catalogV1.Installation): readonly string[] {
  const { sessionPolicy, group, holidaysOf, workedHolidays, approvalRequired, secondPerson } = wire;
  const unsaid = [
    ...(sessionPolicy === undefined ? ['session_policy'] : []),
    ...(group === '' ? ['group'] : []),
    ...(holidaysOf === '' ? ['holidays_of'] : []),
    ...(workedHolidays.length === 0 ? ['worked_holidays'] : []),
    ...(approvalRequired ? [] : ['approval_required']),
    ...(secondPerson === undefined ? ['second_person'] : []),
  ];
  return [...MASK.keys()].filter((name) => !unsaid.includes(name));
}

/** What an update changes: the fields of the mask, all when it is empty. */
export function parseChanges(
  wrong: Wrong,
  wire: catalogV1.Installation,
  mask: readonly string[],
): Partial<ChangeableSettings> {
  const unknown = mask.filter((name) => !MASK.has(name));
  for (const name of unknown) {
    const description = `names ${quoted(name)}; fields that can be changed are ${[...MASK.keys()].join(', ')}`;
    wrong.add({ field: 'update_mask', description });
  }
  const names = mask.length === 0 ? allFields(wire) : mask;
  return parseFields(
    wrong,
    wire,
    names.map((name) => MASK.get(name)).filter((field) => field !== undefined),
  );
}
