import { msToDuration, sessionV1 } from '@lastcall/contracts';
import type { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { UsageError } from './failures.js';
import { durationOption, repeatable, spanOption, wholeOption } from './option-values.js';
import { noticeKindWord } from './render/words.js';

/*
 * How users are told, held and let in, as options. What is not named stays as it is; a list that is named takes the place of the one
 * before, and an empty value clears it. Texts are the exception: each stands for itself.
 */

export interface PolicyOptions {
  readonly exemptUser?: string[];
  readonly announceBefore?: string;
  readonly announcements?: boolean;
  readonly noticeTemplate?: string[];
  readonly language?: string;
  readonly link?: string;
  readonly linkHost?: string[];
  readonly holdLongest?: string;
  readonly holdMax?: string;
  readonly holdDelay?: string;
  readonly holdApproval?: boolean;
  readonly reopeningRamp?: string;
}

export function policyOptions(command: Command): Command {
  return command
    .addOption(
      repeatable('--exempt-user <user>', 'login name that may be inside until the install starts; several times'),
    )
    .option('--announce-before <spans>', 'when a planned run is announced, such as 24h,1h,15m')
    .option('--announcements', 'planned runs are announced (default)')
    .option('--no-announcements', 'users hear of a run with the final notice only')
    .addOption(
      repeatable(
        '--notice-template <kind:language=file>',
        'own text of a notice, such as logoff:de=logoff.txt; several times',
      ),
    )
    .option('--language <tag>', 'language of notices where a user has another one, such as de')
    .option('--link <url>', 'https address that is shown with every notice')
    .addOption(repeatable('--link-host <host>', 'host that a link may lead to; several times'))
    .option('--hold-longest <span>', 'longest hold of a user, such as 30m')
    .option('--hold-max <n>', 'holds of one run')
    .option('--hold-delay <span>', 'how far holds may move the logoff altogether')
    .option('--hold-approval', 'a hold counts when a second person has agreed')
    .option('--no-hold-approval', 'a hold counts at once (default)')
    .option('--reopening-ramp <span>', 'how long it takes to wake 1,000 waiting clients, 0s for all at once');
}

/** The settings with what the options change; undefined when they change nothing. */
export function changedPolicy(
  options: PolicyOptions,
  before: sessionV1.SessionPolicy | undefined,
): sessionV1.SessionPolicy | undefined {
  const current = before ?? sessionV1.SessionPolicy.create();
  const holds = givenHolds(options);
  const given: Partial<sessionV1.SessionPolicy> = {
    ...givenNotices(options, current.templates),
    ...(options.exemptUser && { exemptUsers: listed(options.exemptUser) }),
    ...(Object.keys(holds).length > 0 && {
      holds: { ...(current.holds ?? sessionV1.HoldPolicy.create()), ...holds },
    }),
    ...(options.reopeningRamp !== undefined && {
      reopeningRamp: durationOption('--reopening-ramp', options.reopeningRamp),
    }),
  };
  return Object.keys(given).length === 0 ? undefined : { ...current, ...given };
}

function givenNotices(
  options: PolicyOptions,
  templates: readonly sessionV1.NoticeTemplate[],
): Partial<sessionV1.SessionPolicy> {
  const { announceBefore, announcements, noticeTemplate, language, link, linkHost } = options;
  return {
    ...(announceBefore !== undefined && { announceBefore: spans('--announce-before', announceBefore) }),
    ...(announcements !== undefined && { announcementsOff: !announcements }),
    ...(noticeTemplate && { templates: noticeTemplate.reduce(withTemplate, [...templates]) }),
    ...(language !== undefined && { language }),
    ...(link !== undefined && { link }),
    ...(linkHost && { linkHosts: listed(linkHost) }),
  };
}

function givenHolds(options: PolicyOptions): Partial<sessionV1.HoldPolicy> {
  const { holdLongest, holdMax, holdDelay, holdApproval } = options;
  return {
    ...(holdLongest !== undefined && { longest: durationOption('--hold-longest', holdLongest) }),
    ...(holdMax !== undefined && { maxCount: wholeOption('--hold-max', holdMax, 1, 200) ?? 0 }),
    ...(holdDelay !== undefined && { maxTotalDelay: durationOption('--hold-delay', holdDelay) }),
    ...(holdApproval !== undefined && { needsApproval: holdApproval }),
  };
}

const listed = (values: readonly string[]): string[] => values.filter((value) => value !== '');

/** `24h,1h`; an empty text is the default. */
function spans(option: string, text: string): { seconds: bigint; nanos: number }[] {
  return listed(text.split(',').map((part) => part.trim())).map((part) => msToDuration(spanOption(option, part)));
}

const { NoticeKind } = sessionV1;

/** Every kind but a person's own words has texts. */
const KINDS: ReadonlyMap<string, sessionV1.NoticeKind> = new Map(
  [
    NoticeKind.ANNOUNCEMENT,
    NoticeKind.MOVED,
    NoticeKind.CANCELLED,
    NoticeKind.LOGOFF,
    NoticeKind.DEADLINE_MOVED,
    NoticeKind.POSTPONED,
    NoticeKind.BACK_AGAIN,
  ].map((kind) => [noticeKindWord(kind), kind]),
);

/** `logoff:de=logoff.txt` replaces the text of that kind and language; without a file it takes it away. */
function withTemplate(templates: readonly sessionV1.NoticeTemplate[], given: string): sessionV1.NoticeTemplate[] {
  const match = /^([^:=]+):([^=]+)=(.*)$/.exec(given);
  const kind = KINDS.get(match?.[1] ?? '');
  const [, , language = '', file = ''] = match ?? [];
  if (kind === undefined) {
    const what = JSON.stringify(given);
    throw new UsageError(
      `--notice-template is ${what}; write kind:language=file, with a kind of ${[...KINDS.keys()].join(', ')}`,
    );
  }
  const others = templates.filter((t) => t.kind !== kind || t.language.toLowerCase() !== language.toLowerCase());
  return file === '' ? others : [...others, { kind, language, text: textOf(file) }];
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`--notice-template names ${file}, which cannot be read (${why})`, { cause });
  }
}
