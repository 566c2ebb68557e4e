import type { EventEnvelope } from '@lastcall/contracts';
import { formatName } from '@lastcall/contracts';
import { isRejected, reject, run, type Rejected, type RunSpec } from '@lastcall/kernel';
import { createDueDuty, type DueDuty, type ServiceContext } from '@lastcall/runtime';
import { DuplicateKey } from '@lastcall/store';
import { coalesced } from './coalesce.js';
import { actOn } from './decide.js';
import { DUE, outcomeId, releaseId, type Documents, type OutcomeDocument } from './documents.js';
import {
  census,
  newerOutcome,
  type Census,
  type Member,
  type Outcome,
  type SetAside,
  type WavePlan,
} from './domain/wave-plan.js';
import {
  BY_ITSELF,
  dueOf,
  waveDecider,
  type KnownWave,
  type WaveCommand,
  type WaveEvent,
  type WaveState,
  type Word,
} from './domain/wave.js';
import type { NamedWave } from './domain/wave-offer.js';
import { readAll } from './read-all.js';

/*
 * Waves in the store. What becomes of an installation is kept in a document of its own, so that many that end at once do not wait for
 * each other; after each one the wave is looked at, before its event counts as taken in. A due time in the wave's document ends
 * soaks and notices what was said by no event; any replica may look.
 */

export interface Waves {
  create(wave: string, plan: WavePlan, by: string): Promise<KnownWave | Rejected>;
  get(wave: string): Promise<KnownWave | Rejected>;
  stop(wave: string, word: Omit<Word, 'at'>): Promise<KnownWave | Rejected>;
  resume(wave: string, word: Omit<Word, 'at'>): Promise<KnownWave | Rejected>;
  abort(wave: string, word: Omit<Word, 'at'>): Promise<KnownWave | Rejected>;
  admit(wave: string, installation: string, word: Omit<Word, 'at'>): Promise<KnownWave | Rejected>;
  /** Waves of a product that may keep an installation from a release, newest first. */
  bindingOf(product: string): Promise<readonly NamedWave[]>;
  outcomesOf(wave: string): Promise<ReadonlyMap<string, Outcome>>;
  /** How a run ended that was to install a release. */
  hear(spec: RunSpec, outcome: Outcome['outcome'], reason: string, envelope: EventEnvelope): Promise<void>;
  /** A release was withdrawn: its waves end. */
  lookAtRelease(product: string, version: string): Promise<void>;
  readonly duty: DueDuty;
}

interface WaveParts {
  readonly context: Pick<ServiceContext<object>, 'store' | 'audit' | 'log'>;
  readonly documents: Documents;
}

const EVERY_MS = 5_000;
const PAGE = 1_000;
/** As if they had been called. */
const METHODS: Partial<Readonly<Record<WaveEvent['type'], string>>> = {
  'soak-begun': 'AdvanceWave',
  'stage-begun': 'AdvanceWave',
  finished: 'AdvanceWave',
  stopped: 'StopWave',
  aborted: 'AbortWave',
};

export function createWaves(parts: WaveParts): Waves {
  const { documents, context } = parts;
  const act = (wave: string, make: (now: number) => WaveCommand) => command(parts, wave, make);
  const look: Look = coalesced(async (wave) => {
    const due = await lookAt(parts, wave);
    if (due !== undefined) duty.dueAt(due);
  });
  const duty = createDueDuty({
    ...{ name: 'wave-keeper', everyMs: EVERY_MS, store: context.store, collection: documents.waves, index: DUE },
    dueAtOf: dueOf,
    look: ({ id }) => look(id),
  });
  return {
    create: (wave, plan, by) => create(parts, wave, plan, by),
    get: async (wave) => known((await documents.waves.get(wave))?.data),
    stop: (wave, word) => act(wave, (at) => ({ type: 'stop', ...word, at })),
    resume: async (wave, word) => {
      const failures = await failuresOf(parts, wave);
      const resumed = await act(wave, (at) => ({ type: 'resume', failures, ...word, at }));
      await look(wave);
      return resumed;
    },
    abort: (wave, word) => act(wave, (at) => ({ type: 'abort', ...word, at })),
    admit: (wave, installation, word) => act(wave, (at) => ({ type: 'admit', installation, ...word, at })),
    bindingOf: (product) => bindingWaves(documents, product),
    outcomesOf: (wave) => outcomesOf(documents, wave),
    hear: (spec, outcome, reason, envelope) => hear(parts, look, spec, { outcome, reason }, envelope),
    lookAtRelease: async (product, version) => {
      for (const { wave } of await openWaves(documents, product, version)) await look(wave);
    },
    duty,
  };
}

function known(state: WaveState | undefined): KnownWave | Rejected {
  if (state && state.state !== 'absent') return state;
  return reject('not-found', 'WAVE_NOT_FOUND', 'there is no such wave');
}

async function command(
  { documents }: WaveParts,
  wave: string,
  make: (now: number) => WaveCommand,
): Promise<KnownWave | Rejected> {
  const outcome = await actOn(documents.waves, { decider: waveDecider }).carryOut(wave, make);
  return isRejected(outcome) ? outcome : known(outcome.state);
}

async function create(parts: WaveParts, wave: string, plan: WavePlan, by: string): Promise<KnownWave | Rejected> {
  const counted = await count(parts, wave, plan, {});
  try {
    return await command(parts, wave, (at) => ({ type: 'create', plan, census: counted, by, at }));
  } catch (cause) {
    if (!(cause instanceof DuplicateKey)) throw cause;
    const message = `another wave brings ${plan.version} to ${plan.channel}; look for it with: lastcall wave list`;
    return reject('already-exists', 'WAVE_RUNNING', message);
  }
}

type Look = (wave: string) => Promise<void>;

/**
 * Decides what a census says, one step; answers when somebody has to look again. What nobody asked for leaves an audit record before
 * it is done.
 */
async function lookAt(parts: WaveParts, wave: string): Promise<number | undefined> {
  const { documents, context } = parts;
  const state = (await documents.waves.get(wave))?.data;
  if (!state || (state.state !== 'running' && state.state !== 'stopped')) return undefined;
  const { plan, setAside } = state;
  const release = (await documents.releases.get(releaseId(plan.product, plan.version)))?.data;
  const withdrawn = release?.state === 'withdrawn' ? { withdrawn: release.reason } : {};
  const counted = await count(parts, wave, plan, setAside);
  const make = (at: number): WaveCommand => ({ type: 'look', census: counted, ...withdrawn, at });
  const foreseen = run(waveDecider, state, make(await context.store.now()));
  for (const event of isRejected(foreseen) ? [] : foreseen.events) {
    await tell(parts, wave, event);
    if (event.type === 'finished') await supersede(parts, plan);
  }
  const after = await command(parts, wave, make);
  return isRejected(after) ? undefined : dueOf(after);
}

/** Waves for the same that were aborted before would hold the release back again, when this one binds nobody any more. */
async function supersede(parts: WaveParts, { product, version, channel }: WavePlan): Promise<void> {
  for (const { wave, state } of await bindingWaves(parts.documents, product)) {
    const { plan } = state;
    if (plan.version !== version || plan.channel !== channel) continue;
    await command(parts, wave, () => ({ type: 'supersede' }));
  }
}

async function tell({ context }: WaveParts, wave: string, event: WaveEvent): Promise<void> {
  const method = METHODS[event.type];
  if (method === undefined) return;
  const resource = formatName('wave', { wave });
  const reason = 'reason' in event ? event.reason : event.type;
  await context.audit({ actor: BY_ITSELF, method: `/lastcall.catalog.v1.WaveService/${method}`, resource, reason });
  if (event.type === 'stopped')
    context.log.warn({ wave, reason }, 'a wave stopped by itself; a person has to resume or abort it');
  else context.log.info({ wave, reason }, 'a wave went on');
}

async function count(parts: WaveParts, wave: string, plan: WavePlan, setAside: SetAside): Promise<Census> {
  const members = await membersOf(parts.documents, plan);
  return census(wave, plan, members, await outcomesOf(parts.documents, wave), setAside);
}

/** Installations of the product that follow the wave's channel. */
async function membersOf(documents: Documents, { product, channel }: WavePlan): Promise<readonly Member[]> {
  const members: Member[] = [];
  for await (const { id, data } of readAll(documents.installations, { index: 'product', where: { product } })) {
    if (data.state !== 'present' || data.settings.channel !== channel) continue;
    members.push({ installation: id, group: data.settings.group ?? '', installedVersion: data.installedVersion });
  }
  return members;
}

async function outcomesOf(documents: Documents, wave: string): Promise<ReadonlyMap<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  for await (const { data } of readAll(documents.outcomes, { index: 'wave', where: { wave } })) {
    outcomes.set(data.installation, data.outcome);
  }
  return outcomes;
}

async function failuresOf(parts: WaveParts, wave: string): Promise<SetAside> {
  const state = (await parts.documents.waves.get(wave))?.data;
  if (!state || state.state === 'absent') return {};
  return (await count(parts, wave, state.plan, state.setAside)).failures;
}

async function bindingWaves(documents: Documents, product: string): Promise<readonly NamedWave[]> {
  const { items } = await documents.waves.query({
    ...{ index: 'binding', where: { product, binding: true }, order: 'descending', limit: PAGE },
  });
  return items.flatMap(({ id, data }) => (data.state === 'absent' ? [] : [{ wave: id, state: data }]));
}

async function openWaves(documents: Documents, product: string, version: string): Promise<readonly NamedWave[]> {
  const waves = await bindingWaves(documents, product);
  return waves.filter(({ state }) => state.plan.version === version && isOpen(state));
}

const isOpen = ({ state }: KnownWave): boolean => state === 'running' || state === 'stopped';

async function hear(
  { documents }: WaveParts,
  look: Look,
  { installation, product, toVersion, fence, run: id, type }: RunSpec,
  ended: Pick<Outcome, 'outcome' | 'reason'>,
  envelope: EventEnvelope,
): Promise<void> {
  if (type !== 'software-update') return;
  const settings = await settingsOf(documents, installation);
  for (const { wave, state } of await openWaves(documents, product, toVersion)) {
    if (settings?.channel !== state.plan.channel && !state.admitted[installation]) continue;
    const heard: Outcome = { ...ended, run: id, fence, at: envelope.time };
    await documents.outcomes.take(outcomeId(wave, installation), envelope, (current) => {
      const outcome = newerOutcome(current?.outcome, heard);
      const write: OutcomeDocument = { wave, installation, outcome };
      return outcome === current?.outcome ? { keep: undefined } : { write, result: undefined };
    });
    await look(wave);
  }
}

async function settingsOf(documents: Documents, installation: string) {
  const state = (await documents.installations.get(installation))?.data;
  return state?.state === 'present' ? state.settings : undefined;
}
