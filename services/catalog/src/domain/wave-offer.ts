import { assertNever } from '@lastcall/kernel';
import { stageOf, stageText, type Member } from './wave-plan.js';
import type { KnownWave } from './wave.js';

/*
 * Whether a wave lets an installation take its release. A wave decides for the installations that follow its channel. Who follows
 * another channel in which the release stands too has it from there; who follows none of them gets it from the wave, or not yet.
 */

export interface NamedWave {
  readonly wave: string;
  readonly state: KnownWave;
}

export interface Asker extends Pick<Member, 'installation' | 'group'> {
  /** That it follows. */
  readonly channel: string;
}

/** The wave that decides for this installation about this release; the newest where there were several. */
export function waveFor(
  waves: readonly NamedWave[],
  { channel }: Asker,
  release: { readonly version: string; readonly channels: readonly string[] },
): NamedWave | undefined {
  const ofRelease = waves
    .filter(({ state }) => state.plan.version === release.version)
    .toSorted((a, b) => b.state.createdAt - a.state.createdAt);
  const own = ofRelease.find(({ state }) => state.plan.channel === channel);
  return own ?? (release.channels.includes(channel) ? undefined : ofRelease[0]);
}

/** Why the installation may not take the release yet; undefined: the wave lets it. */
export function heldBy({ wave, state }: NamedWave, asker: Asker): string | undefined {
  const { plan, admitted } = state;
  if (state.state === 'done' || admitted[asker.installation]) return undefined;
  const comes = `${plan.version} comes in wave ${wave}`;
  switch (state.state) {
    case 'stopped':
      return `${comes}, which was stopped: ${state.word.reason}`;
    case 'aborted':
      return `${plan.version} was to come in wave ${wave}, which was aborted: ${state.word.reason}`;
    case 'running':
      if (asker.channel !== plan.channel) {
        return `${comes} to channel ${plan.channel}, which ${asker.installation} does not follow`;
      }
      return waits({ wave, state }, asker, comes);
    default:
      return assertNever(state);
  }
}

function waits(
  { wave, state }: { readonly wave: string; readonly state: Extract<KnownWave, { state: 'running' }> },
  asker: Asker,
  comes: string,
): string | undefined {
  const { plan, stage, soakUntil } = state;
  const own = stageOf(wave, plan, asker);
  if (own <= stage) return undefined;
  const now = soakUntil === null ? 'is under way' : `soaks until ${timeText(soakUntil)}`;
  return `${comes}; ${asker.installation} is in ${stageText(plan, own)}, and ${stageText(plan, stage)} ${now}`;
}

/** `2026-11-28 22:00 UTC`. */
function timeText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
