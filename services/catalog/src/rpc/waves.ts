import { atToDate, catalogV1, durationToMs, formatName, msToDuration } from '@lastcall/contracts';
import { checkId, checkText, DAY_MS, invalid, isRejected, LIMITS, reject, type Rejected } from '@lastcall/kernel';
import { readPage, type RpcContext, type RpcHandlers } from '@lastcall/runtime';
import { checkVersion } from '@lastcall/contracts';
import type { Documents } from '../documents.js';
import { heldBy } from '../domain/wave-offer.js';
import {
  checkPlan,
  hasReached,
  isFailure,
  isSetAside,
  stageOf,
  stageText,
  type Outcome,
  type Stage,
  type WavePlan,
} from '../domain/wave-plan.js';
import type { KnownWave } from '../domain/wave.js';
import type { PresentInstallation } from '../domain/installation.js';
import type { Publishing } from '../publishing.js';
import { parsePage, Wrong } from '../requests.js';
import type { Waves } from '../waves.js';
import { findInstallation } from './installations.js';
import { findProduct } from './products.js';
import { findRelease } from './releases.js';

export interface WaveRpcParts {
  readonly documents: Documents;
  readonly publishing: Publishing;
  readonly waves: Waves;
}

type Handlers = RpcHandlers<typeof catalogV1.WaveServiceService>;
type Asked = { readonly name: string; readonly reason: string };

export function waveHandlers(parts: WaveRpcParts): Handlers {
  const { waves } = parts;
  return {
    createWave: (request, context) => createWave(parts, request, context),
    getWave: async ({ name }) => {
      const wrong = new Wrong();
      const { wave } = wrong.name('wave', 'name', name);
      const found = wrong.rejected() ?? (await waves.get(wave));
      return isRejected(found) ? found : { wave: waveToWire(wave, found) };
    },
    listWaves: (request) => listWaves(parts, request),
    listWaveInstallations: (request) => listInstallations(parts, request),
    stopWave: (request, context) => asked(request, context, (wave, word) => waves.stop(wave, word)),
    resumeWave: (request, context) => asked(request, context, (wave, word) => waves.resume(wave, word)),
    abortWave: (request, context) => asked(request, context, (wave, word) => waves.abort(wave, word)),
    admitInstallation: async (request, context) => {
      const wrong = checkId('installation', request.installation);
      if (wrong) return invalid([wrong]);
      const found = await findInstallation(parts.documents, request.installation);
      if (isRejected(found)) return found;
      return asked(request, context, (wave, word) => admit(parts, wave, request.installation, found, word));
    },
  };
}

type Said = { readonly by: string; readonly reason: string };

/** Somebody decides about a wave, and says why. */
async function asked(
  { name, reason }: Asked,
  { principal }: RpcContext,
  act: (wave: string, word: Said) => Promise<KnownWave | Rejected>,
): Promise<{ wave: catalogV1.Wave } | Rejected> {
  const wrong = new Wrong();
  const { wave } = wrong.name('wave', 'name', name);
  wrong.add(checkText('reason', reason, { min: 1, max: LIMITS.textChars }));
  const state = wrong.rejected() ?? (await act(wave, { by: principal?.subject ?? '', reason }));
  return isRejected(state) ? state : { wave: waveToWire(wave, state) };
}

async function admit(
  { waves }: WaveRpcParts,
  wave: string,
  installation: string,
  { settings }: PresentInstallation,
  word: Said,
): Promise<KnownWave | Rejected> {
  const found = await waves.get(wave);
  if (isRejected(found)) return found;
  if (settings.product === found.plan.product) return waves.admit(wave, installation, word);
  const message = `${installation} runs ${settings.product}, and the wave brings ${found.plan.product}`;
  return reject('refused', 'OTHER_PRODUCT', message);
}

/** The wave is there before the release stands in the channel, so that nobody is offered it in between. */
async function createWave(
  { documents, publishing, waves }: WaveRpcParts,
  { waveId, wave: wire }: catalogV1.CreateWaveRequest,
  { principal }: RpcContext,
): Promise<catalogV1.CreateWaveResponse | Rejected> {
  if (!wire) return invalid([{ field: 'wave', description: 'is missing' }]);
  const wrong = new Wrong();
  wrong.add(checkId('wave_id', waveId));
  const plan = parsePlan(wrong, wire);
  const rejected = wrong.rejected() ?? (await checkTarget(documents, plan));
  if (rejected) return rejected;
  const state = await waves.create(waveId, plan, principal?.subject ?? '');
  if (isRejected(state)) return state;
  const release = await publishing.publish(plan.product, plan.version, plan.channel);
  return isRejected(release) ? release : { wave: waveToWire(waveId, state) };
}

function parsePlan(wrong: Wrong, wire: catalogV1.Wave): WavePlan {
  wrong.add(checkId('wave.product', wire.product), checkVersion('wave.version', wire.version));
  wrong.add(checkId('wave.channel', wire.channel));
  const stages = wire.stages.map((stage, i) => parseStage(wrong, stage, i));
  if (wire.stopAtCount > 0 && wire.stopAtPercent > 0) {
    wrong.add({ field: 'wave.stop_at_percent', description: 'is given beside stop_at_count; give one of the two' });
  }
  const plan: WavePlan = {
    ...{ product: wire.product, version: wire.version, channel: wire.channel },
    stages: stages.filter((stage) => stage !== undefined),
    threshold:
      wire.stopAtPercent > 0
        ? { kind: 'percent', percent: wire.stopAtPercent }
        : { kind: 'count', count: wire.stopAtCount || 1 },
    soakMs: durationToMs(wire.soakTime) ?? DAY_MS,
    neededPercent: wire.neededPercent || 100,
  };
  if (stages.every((stage) => stage !== undefined)) wrong.add(...checkPlan(plan));
  return plan;
}

function parseStage(wrong: Wrong, { members }: catalogV1.WaveStage, i: number): Stage | undefined {
  switch (members?.$case) {
    case 'group':
      return { kind: 'group', group: members.value };
    case 'percent':
      return { kind: 'percent', percent: members.value };
    case undefined:
      wrong.add({ field: `wave.stages[${i}]`, description: 'says no members; give a group or a percentage' });
      return undefined;
  }
}

async function checkTarget(documents: Documents, { product, version }: WavePlan): Promise<Rejected | undefined> {
  const found = await findProduct(documents, product);
  if (isRejected(found)) return found;
  const release = await findRelease(documents, product, version);
  if (isRejected(release)) return release;
  if (release.state === 'published') return undefined;
  const message = `${version} is not published, so no wave can bring it; publish it into a channel that nobody follows first`;
  return reject('refused', 'RELEASE_NOT_PUBLISHED', message);
}

async function listWaves(
  { documents }: WaveRpcParts,
  request: catalogV1.ListWavesRequest,
): Promise<catalogV1.ListWavesResponse | Rejected> {
  const wrong = new Wrong();
  const page = parsePage(wrong, request);
  const { product } = request;
  if (product !== '') wrong.add(checkId('product', product));
  const rejected = wrong.rejected();
  if (rejected) return rejected;
  const of = product === '' ? { index: 'all', where: { all: true } } : { index: 'product', where: { product } };
  const found = await readPage(documents.waves, { ...of, order: 'descending' }, page, ({ id, data }) =>
    data.state === 'absent' ? undefined : { ...waveToWire(id, data), history: [] },
  );
  return isRejected(found) ? found : { waves: found.items, nextPageToken: found.nextPageToken };
}

async function listInstallations(
  { documents, waves }: WaveRpcParts,
  request: catalogV1.ListWaveInstallationsRequest,
): Promise<catalogV1.ListWaveInstallationsResponse | Rejected> {
  const wrong = new Wrong();
  const { wave } = wrong.name('wave', 'parent', request.parent);
  const page = parsePage(wrong, request);
  const state = wrong.rejected() ?? (await waves.get(wave));
  if (isRejected(state)) return state;
  const outcomes = await waves.outcomesOf(wave);
  const query = { index: 'product', where: { product: state.plan.product } };
  const found = await readPage(documents.installations, query, page, ({ id, data }) => {
    const isIn = data.state === 'present' && (data.settings.channel === state.plan.channel || id in state.admitted);
    return isIn ? installationToWire(wave, state, id, data, outcomes.get(id)) : undefined;
  });
  return isRejected(found) ? found : { installations: found.items, nextPageToken: found.nextPageToken };
}

const STANDINGS: Readonly<Record<Outcome['outcome'], catalogV1.WaveStanding>> = {
  updated: catalogV1.WaveStanding.UPDATED,
  failed: catalogV1.WaveStanding.FAILED,
  'rolled-back': catalogV1.WaveStanding.ROLLED_BACK,
  quarantined: catalogV1.WaveStanding.QUARANTINED,
};

function installationToWire(
  wave: string,
  state: KnownWave,
  installation: string,
  { settings, installedVersion }: PresentInstallation,
  outcome: Outcome | undefined,
): catalogV1.WaveInstallation {
  const { group = '', channel } = settings;
  const asker = { installation, group, channel };
  const held = heldBy({ wave, state }, asker);
  const admitted = state.admitted[installation];
  const offered = held === undefined ? catalogV1.WaveStanding.OFFERED : catalogV1.WaveStanding.WAITING;
  const reached = hasReached(state.plan, installedVersion) ? catalogV1.WaveStanding.UPDATED : offered;
  const own = stageText(state.plan, stageOf(wave, state.plan, asker));
  const free = admitted ? `let in by ${admitted.by}: ${admitted.reason}` : `${own} has begun`;
  const failed = isFailure(outcome);
  const reason = failed ? outcome.reason : reached === catalogV1.WaveStanding.UPDATED ? '' : (held ?? free);
  return {
    ...{ installation, group, stage: stageOf(wave, state.plan, asker) + 1, installedVersion, reason },
    standing: outcome ? STANDINGS[outcome.outcome] : reached,
    time: outcome && atToDate(outcome.at),
    run: outcome?.run ?? '',
    setAside: failed && isSetAside(state.setAside, installation, outcome),
    admitted: admitted !== undefined,
  };
}

const STATES: Readonly<Record<KnownWave['state'], catalogV1.WaveState>> = {
  running: catalogV1.WaveState.RUNNING,
  stopped: catalogV1.WaveState.STOPPED,
  done: catalogV1.WaveState.DONE,
  aborted: catalogV1.WaveState.ABORTED,
};

function waveToWire(wave: string, state: KnownWave): catalogV1.Wave {
  const { plan, stage, sizes, history, createdAt } = state;
  const { threshold } = plan;
  const soakUntil = state.state === 'running' ? state.soakUntil : null;
  return catalogV1.Wave.fromPartial({
    ...{ name: formatName('wave', { wave }), product: plan.product, version: plan.version, channel: plan.channel },
    stages: plan.stages.map((s, i) => ({ members: stageToWire(s), size: sizes[i] ?? 0 })),
    stopAtCount: threshold.kind === 'count' ? threshold.count : 0,
    stopAtPercent: threshold.kind === 'percent' ? threshold.percent : 0,
    soakTime: msToDuration(plan.soakMs),
    neededPercent: plan.neededPercent,
    state: STATES[state.state],
    stage: stage + 1,
    ...(soakUntil === null ? {} : { soakUntil: atToDate(soakUntil) }),
    reason: reasonOf(state),
    history: history.map(({ at, text, by, reason }) => ({ time: atToDate(at), text, actor: by, reason })),
    createTime: atToDate(createdAt),
  });
}

function stageToWire(stage: Stage): NonNullable<catalogV1.WaveStage['members']> {
  return stage.kind === 'group' ? { $case: 'group', value: stage.group } : { $case: 'percent', value: stage.percent };
}

function reasonOf(state: KnownWave): string {
  switch (state.state) {
    case 'running':
      return `${stageText(state.plan, state.stage)} ${state.soakUntil === null ? 'is under way' : 'has the release and soaks'}`;
    case 'stopped':
    case 'aborted':
      return `${state.state} by ${state.word.by}: ${state.word.reason}`;
    case 'done':
      return 'everybody who follows the channel may take the release';
  }
}
