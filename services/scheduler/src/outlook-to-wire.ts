import { atToDate, formatName, msToDuration, type schedulerV1 } from '@lastcall/contracts';
import { suggestTimes, type Suggestion } from './advice/quieter.js';
import { factsOf } from './advice.js';
import type { Outlook } from './jobs.js';

/* What a job meets at its time, to the wire. */

export function suggestionToWire({ localTime, at, quietUntil, reason, users }: Suggestion): schedulerV1.SuggestedTime {
  return { localTime, startTime: atToDate(at), quietUntil, reason, users };
}

export function outlookToWire(outlook: Outlook): schedulerV1.Outlook {
  const { definition, findings, situation, place } = outlook;
  const { length } = situation;
  const { installation } = place;
  return {
    facts: [...factsOf(definition, findings, situation)],
    insideBusinessHours: findings.inside !== undefined,
    holiday: findings.holiday ?? '',
    users: findings.users,
    length: { median: msToDuration(length.medianMs), nineInTen: msToDuration(length.p90Ms), runs: length.runs },
    collisions: findings.collisions.map(({ job, run, from, until }) => ({
      job: formatName('job', { installation, job }),
      run: run === '' ? '' : formatName('run', { installation, run }),
      startTime: atToDate(from),
      endTime: atToDate(until),
    })),
    suggestedTimes: suggestTimes(situation).map(suggestionToWire),
  };
}
