import { durationToMs, sessionV1 } from '@lastcall/contracts';
import { span, spanOf } from './time.js';
import { noticeKindWord } from './words.js';

/* Session settings of an installation, for people; what is not set is said as what then holds. */

type Line = readonly [label: string, value: string | undefined];

const DEFAULT_ANNOUNCED = '24 h, 1 h, 15 min, 5 min';
const DEFAULT_HOLDS = { longest: '4 h', maxCount: 200, delay: '4 h' };
const DEFAULT_RAMP = '10 s';

export function policyLines(policy: sessionV1.SessionPolicy | undefined): readonly Line[] {
  const { exemptUsers, templates, language, link, linkHosts, holds, reopeningRamp } =
    policy ?? sessionV1.SessionPolicy.create();
  return [
    ['Exempt users', exemptUsers.join(', ')],
    ['Announced', announcedText(policy)],
    ['Own texts', templates.map((t) => `${noticeKindWord(t.kind)} (${t.language})`).join(', ')],
    ['Language', language || 'en'],
    ['Link', link],
    ['Link hosts', linkHosts.join(', ')],
    ['Holds', holdsText(holds)],
    ['Reopening', `1,000 waiting clients in ${spanOf(reopeningRamp) ?? DEFAULT_RAMP}`],
  ];
}

function announcedText(policy: sessionV1.SessionPolicy | undefined): string {
  if (policy?.announcementsOff) return 'with the final notice only';
  const before = policy?.announceBefore.map((d) => span(durationToMs(d) ?? 0)).join(', ');
  return `${before || DEFAULT_ANNOUNCED} before a planned run`;
}

function holdsText(holds: sessionV1.HoldPolicy | undefined): string {
  const longest = spanOf(holds?.longest) ?? DEFAULT_HOLDS.longest;
  const delay = spanOf(holds?.maxTotalDelay) ?? DEFAULT_HOLDS.delay;
  const most = holds?.maxCount || DEFAULT_HOLDS.maxCount;
  const approval = holds?.needsApproval ? ', each with the consent of a second person' : '';
  return `up to ${longest} each, ${most} in a run, ${delay} altogether${approval}`;
}
