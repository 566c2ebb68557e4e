import { assertNever, reject, type Decider, type Rejected } from '@lastcall/kernel';
import { stageText, thresholdText, type Census, type SetAside, type StageCount, type WavePlan } from './wave-plan.js';

/*
 * A wave: a release on its way through the installations of a channel. It begins with its first stage; a stage that has the release
 * soaks, then the next one begins; after the last one the wave is done. When too many failed it stops by itself, and a person resumes
 * or aborts it. Everything that depends on who is where comes in with `look`, as a census; a look that comes twice, late, or from
 * another replica decides the same or nothing.
 */

export interface Word {
  readonly by: string;
  readonly reason: string;
  readonly at: number;
}

export interface Entry extends Word {
  readonly text: string;
}

interface Known {
  readonly plan: WavePlan;
  /** Index of the stage that has begun last. */
  readonly stage: number;
  /** Installations in each stage that has begun, as they were counted last. */
  readonly sizes: readonly number[];
  readonly setAside: SetAside;
  /** Let in before their turn, and why. */
  readonly admitted: Readonly<Record<string, Word>>;
  /** Oldest first. */
  readonly history: readonly Entry[];
  readonly createdAt: number;
}

export type WaveState =
  | { readonly state: 'absent' }
  | (Known & {
      readonly state: 'running';
      /** Null: installations are still to take it. */
      readonly soakUntil: number | null;
      /** When somebody looks at the latest. */
      readonly lookAt: number;
    })
  | (Known & { readonly state: 'stopped'; readonly word: Word })
  | (Known & { readonly state: 'done' })
  /** `superseded`: another wave has brought the release to everybody. */
  | (Known & { readonly state: 'aborted'; readonly word: Word; readonly superseded?: true });
export type KnownWave = Exclude<WaveState, { state: 'absent' }>;
type Running = Extract<WaveState, { state: 'running' }>;

export type WaveCommand =
  | {
      readonly type: 'create';
      readonly plan: WavePlan;
      readonly census: Census;
      readonly by: string;
      readonly at: number;
    }
  /** `withdrawn`: why the release was withdrawn, when it was. */
  | { readonly type: 'look'; readonly census: Census; readonly withdrawn?: string; readonly at: number }
  | ({ readonly type: 'stop' } & Word)
  /** `failures`: what has failed until now. */
  | ({ readonly type: 'resume'; readonly failures: SetAside } & Word)
  | ({ readonly type: 'abort' } & Word)
  /** A later wave with the same release for the same channel is about to be done. */
  | { readonly type: 'supersede' }
  | ({ readonly type: 'admit'; readonly installation: string } & Word);

export type WaveEvent =
  | {
      readonly type: 'created';
      readonly plan: WavePlan;
      readonly sizes: readonly number[];
      readonly by: string;
      readonly at: number;
    }
  | { readonly type: 'looked'; readonly sizes: readonly number[]; readonly at: number }
  | { readonly type: 'soak-begun'; readonly until: number; readonly at: number }
  | { readonly type: 'stage-begun'; readonly stage: number; readonly sizes: readonly number[]; readonly at: number }
  | { readonly type: 'finished'; readonly at: number }
  | ({ readonly type: 'stopped' } & Word)
  | ({ readonly type: 'resumed'; readonly failures: SetAside } & Word)
  | ({ readonly type: 'aborted' } & Word)
  | { readonly type: 'superseded' }
  | ({ readonly type: 'admitted'; readonly installation: string } & Word);

/** Installations that come, go or change their group are noticed so soon. */
export const LOOK_EVERY_MS = 30_000;
const MAX_HISTORY = 100;
export const MAX_ADMITTED = 1_000;
/** Who does what nobody asked for. */
export const BY_ITSELF = 'catalog';

type Decision = readonly WaveEvent[] | Rejected;
type Command<T extends WaveCommand['type']> = Extract<WaveCommand, { type: T }>;

function decide(state: WaveState, command: WaveCommand): Decision {
  if (command.type === 'create') return decideCreate(state, command);
  if (state.state === 'absent') return reject('not-found', 'WAVE_NOT_FOUND', 'there is no such wave');
  switch (command.type) {
    case 'look':
      return look(state, command);
    case 'stop':
      return decideStop(state, command);
    case 'resume':
      return decideResume(state, command);
    case 'abort':
      if (state.state === 'aborted') return [];
      return state.state === 'done' ? isDone() : [{ ...command, type: 'aborted' }];
    case 'supersede':
      return state.state === 'aborted' && !state.superseded ? [{ type: 'superseded' }] : [];
    case 'admit':
      return decideAdmit(state, command);
    default:
      return assertNever(command);
  }
}

const isDone = (): Rejected =>
  reject(
    'refused',
    'WAVE_DONE',
    'the wave is done: everybody may take the release; withdraw the release to take it back',
  );
const isAborted = ({ reason }: Word): Rejected =>
  reject('refused', 'WAVE_ABORTED', `the wave was aborted: ${reason}; create another one to offer the release again`);

function decideCreate(state: WaveState, { plan, census, by, at }: Command<'create'>): Decision {
  if (state.state !== 'absent') {
    // The same call again.
    if (state.state === 'running' && JSON.stringify(state.plan) === JSON.stringify(plan)) return [];
    return reject('already-exists', 'WAVE_EXISTS', 'a wave of this name exists; choose another name');
  }
  const empty = plan.stages.findIndex((stage, i) => {
    return (i === 0 || stage.kind === 'group') && census.stages[i]?.size === 0;
  });
  if (empty < 0) return [{ type: 'created', plan, sizes: sizesUpTo(census, 0), by, at }];
  const stage = plan.stages[empty];
  const remedy =
    stage?.kind === 'group'
      ? `give it to one: lastcall installation set <installation> --group ${stage.group}`
      : 'take a larger percentage or a group';
  const message = `${stageText(plan, empty)} has no installation of ${plan.product} that follows ${plan.channel}; ${remedy}`;
  return reject('refused', 'WAVE_STAGE_EMPTY', message);
}

function look(state: KnownWave, { census, withdrawn, at }: Command<'look'>): Decision {
  if (state.state !== 'running' && state.state !== 'stopped') return [];
  if (withdrawn !== undefined) {
    return [{ type: 'aborted', by: BY_ITSELF, reason: `the release was withdrawn: ${withdrawn}`, at }];
  }
  if (state.state === 'stopped') return [];
  const stop = thresholdReached(state, census);
  if (stop !== undefined) return [{ type: 'stopped', by: BY_ITSELF, reason: stop, at }];
  return advance(state, census, at);
}

/** One step of a stage, or that it was looked at. */
function advance(state: Running, census: Census, at: number): readonly WaveEvent[] {
  const { plan, stage, soakUntil } = state;
  const count = census.stages[stage] ?? EMPTY;
  if (soakUntil !== null) return at >= soakUntil ? next(state, census, at) : [];
  if (!isSettled(count, plan)) return [{ type: 'looked', sizes: sizesUpTo(census, stage), at }];
  // Nobody is there who could be watched.
  if (count.size === 0 || plan.soakMs === 0) return next(state, census, at);
  return [{ type: 'soak-begun', until: at + plan.soakMs, at }];
}

const EMPTY: StageCount = { size: 0, updated: 0, failed: 0, setAside: 0 };

function next({ plan, stage }: Running, census: Census, at: number): readonly WaveEvent[] {
  if (stage + 1 >= plan.stages.length) return [{ type: 'finished', at }];
  return [{ type: 'stage-begun', stage: stage + 1, sizes: sizesUpTo(census, stage + 1), at }];
}

/** The stage has the release: enough of those that did not fail, and at least one, unless a person has set all aside. */
export function isSettled({ size, updated, failed, setAside }: StageCount, { neededPercent }: WavePlan): boolean {
  if (setAside === size) return true;
  return updated > 0 && updated >= Math.ceil(((size - failed - setAside) * neededPercent) / 100);
}

/** Why the wave stops, or undefined. */
function thresholdReached({ plan, stage }: Running, census: Census): string | undefined {
  const failed = Object.keys(census.failures).length;
  const { threshold } = plan;
  const begun = sizesUpTo(census, stage).reduce((sum, size) => sum + size, 0);
  const isReached =
    threshold.kind === 'count' ? failed >= threshold.count : failed > 0 && failed * 100 >= threshold.percent * begun;
  if (!isReached) return undefined;
  const who = Object.keys(census.failures).toSorted().slice(0, 5).join(', ');
  return `${failed} of ${begun} installations whose stage has begun did not take the release (${who}); it stops at ${thresholdText(plan)}`;
}

function sizesUpTo({ stages }: Census, stage: number): readonly number[] {
  return stages.slice(0, stage + 1).map(({ size }) => size);
}

function decideStop(state: KnownWave, { by, reason, at }: Command<'stop'>): Decision {
  switch (state.state) {
    case 'running':
      return [{ type: 'stopped', by, reason, at }];
    case 'stopped':
      return [];
    case 'done':
      return isDone();
    case 'aborted':
      return isAborted(state.word);
    default:
      return assertNever(state);
  }
}

function decideResume(state: KnownWave, { by, reason, failures, at }: Command<'resume'>): Decision {
  switch (state.state) {
    case 'running':
      return [];
    case 'stopped':
      return [{ type: 'resumed', failures, by, reason, at }];
    case 'done':
      return isDone();
    case 'aborted':
      return isAborted(state.word);
    default:
      return assertNever(state);
  }
}

function decideAdmit(state: KnownWave, { installation, by, reason, at }: Command<'admit'>): Decision {
  if (state.state === 'done') return [];
  if (state.state === 'aborted') return isAborted(state.word);
  if (state.admitted[installation]) return [];
  if (Object.keys(state.admitted).length >= MAX_ADMITTED) {
    const message = `a wave lets in at most ${MAX_ADMITTED} installations before their turn; create one with other stages`;
    return reject('too-many', 'TOO_MANY_ADMITTED', message);
  }
  return [{ type: 'admitted', installation, by, reason, at }];
}

function evolve(state: WaveState, event: WaveEvent): WaveState {
  if (event.type === 'created') {
    const { plan, sizes, by, at } = event;
    const history = [{ text: `created; ${stageText(plan, 0)} begins`, by, reason: '', at }];
    const known = { plan, stage: 0, sizes, setAside: {}, admitted: {}, history, createdAt: at };
    return { ...known, state: 'running', soakUntil: null, lookAt: at };
  }
  if (state.state === 'absent') return state;
  const known = knownOf(state);
  const { plan, stage } = known;
  switch (event.type) {
    case 'looked':
      return { ...known, sizes: event.sizes, state: 'running', soakUntil: null, lookAt: event.at + LOOK_EVERY_MS };
    case 'soak-begun': {
      const { until, at } = event;
      const soaking = noted(known, { text: `${stageText(plan, stage)} has the release and soaks`, ...byItself(at) });
      return { ...soaking, state: 'running', soakUntil: until, lookAt: until };
    }
    case 'stage-begun': {
      const { sizes, at } = event;
      const begun = noted(known, { text: `${stageText(plan, event.stage)} begins`, ...byItself(at) });
      return { ...begun, stage: event.stage, sizes, state: 'running', soakUntil: null, lookAt: at };
    }
    case 'finished':
      return { ...noted(known, { text: 'done: everybody may take it', ...byItself(event.at) }), state: 'done' };
    case 'stopped':
      return { ...noted(known, entry('stopped', event)), state: 'stopped', word: wordOf(event) };
    case 'resumed': {
      const setAside = { ...known.setAside, ...event.failures };
      const resumed = noted(known, entry(`resumed; ${Object.keys(event.failures).length} failures set aside`, event));
      return { ...resumed, setAside, state: 'running', soakUntil: null, lookAt: event.at };
    }
    case 'aborted':
      return { ...noted(known, entry('aborted', event)), admitted: {}, state: 'aborted', word: wordOf(event) };
    case 'superseded':
      return state.state === 'aborted' ? { ...state, superseded: true } : state;
    case 'admitted': {
      const admitted = { ...known.admitted, [event.installation]: wordOf(event) };
      return { ...state, ...noted(known, entry(`${event.installation} let in before its turn`, event)), admitted };
    }
    default:
      return assertNever(event);
  }
}

function knownOf({ plan, stage, sizes, setAside, admitted, history, createdAt }: KnownWave): Known {
  return { plan, stage, sizes, setAside, admitted, history, createdAt };
}

function noted(known: Known, added: Entry): Known {
  return { ...known, history: [...known.history, added].slice(-MAX_HISTORY) };
}

const byItself = (at: number): Word => ({ by: BY_ITSELF, reason: '', at });
const wordOf = ({ by, reason, at }: Word): Word => ({ by, reason, at });
const entry = (text: string, word: Word): Entry => ({ text, ...wordOf(word) });

export const waveDecider: Decider<WaveState, WaveCommand, WaveEvent> = { initial: { state: 'absent' }, decide, evolve };

/** When somebody has to look; undefined: nobody. */
export function dueOf(state: WaveState): number | undefined {
  return state.state === 'running' ? (state.soakUntil ?? state.lookAt) : undefined;
}

/** Whether it may keep an installation from its release: nobody has to look at the others. */
export function isBinding(state: WaveState): boolean {
  if (state.state === 'aborted') return !state.superseded;
  return state.state === 'running' || state.state === 'stopped';
}
