import type { schedulerV1 } from '@lastcall/contracts';
import type { Work } from '../work.js';
import { oneLine, table } from './text.js';

/* What the scheduler knows of a time, for people. Its sentences are shown as they are: it has the numbers and the zone. */

/** Told before something is saved or asked. `quieter`: with the better times, where something speaks against this one. */
export function noteOutlook(work: Work, outlook: schedulerV1.Outlook | undefined, quieter = false): void {
  if (!outlook || outlook.facts.length === 0) return;
  work.note('About this time:');
  for (const fact of outlook.facts) work.note(`  ${oneLine(fact)}`);
  if (!quieter) return;
  for (const { localTime, reason } of outlook.suggestedTimes) {
    work.note(`  Quieter: ${oneLine(`${localTime.replace('T', ' ')} (${reason})`)}`);
  }
}

export function suggestionsText(times: readonly schedulerV1.SuggestedTime[], zone: string): string {
  const local = (text: string): string => text.replace('T', ' ');
  return table(
    [`time (${zone})`, 'quiet until', 'usually', 'peak', 'why'],
    times.map(({ localTime, quietUntil, users, reason }) => [
      local(localTime),
      local(quietUntil),
      users ? String(users.usual) : '',
      users ? String(users.peak) : '',
      reason,
    ]),
    'no time of the next two weeks has nothing against it',
  );
}
