import type { catalogV1 } from '@lastcall/contracts';
import { fields, table } from './text.js';
import { ownZone, spanOf, time, timeIn } from './time.js';
import { lastPart, standingWord, waveStateWord } from './words.js';

/* A wave for people: where it stands, who is where and why, and what happened to it. */

export function waveText(wave: catalogV1.Wave, installations: readonly catalogV1.WaveInstallation[]): string {
  const zone = ownZone();
  const head = fields([
    ['Wave', lastPart(wave.name)],
    ['Release', `${wave.product} ${wave.version} to channel ${wave.channel}`],
    ['State', waveStateWord(wave.state)],
    ['Why', wave.reason],
    ['Stages', wave.stages.map((stage, i) => stageLine(wave, stage, i)).join('\n')],
    ['Soaks', spanOf(wave.soakTime)],
    ['Soaks until', time(wave.soakUntil, zone)],
    ['Stops at', wave.stopAtPercent > 0 ? `${wave.stopAtPercent} % failed` : `${wave.stopAtCount} failed`],
  ]);
  const rows = installations
    .toSorted((a, b) => a.stage - b.stage || (a.installation < b.installation ? -1 : 1))
    .map((i) => [i.installation, String(i.stage), i.group, i.installedVersion, standingText(i), i.reason]);
  const members = table(['installation', 'stage', 'group', 'version', 'standing', 'why'], rows, 'no installations');
  const history = table(
    [`time (${zone})`, 'what', 'who', 'why'],
    wave.history.map((entry) => [timeIn(entry.time, zone), entry.text, entry.actor, entry.reason]),
  );
  return [head, members, history].join('\n');
}

function stageLine({ stage: current }: catalogV1.Wave, { members, size }: catalogV1.WaveStage, i: number): string {
  const who = members?.$case === 'group' ? `group ${members.value}` : `${members?.value ?? 0} %`;
  const begun = i < current ? `, ${size} installation${size === 1 ? '' : 's'}` : ', has not begun';
  return `${i + 1}. ${who}${begun}`;
}

function standingText({ standing, setAside, admitted }: catalogV1.WaveInstallation): string {
  return [standingWord(standing), ...(setAside ? ['set aside'] : []), ...(admitted ? ['let in'] : [])].join(', ');
}
