import { heldBy, waveFor, type Asker, type NamedWave } from './wave-offer.js';
import type { KnownWave } from './wave.js';

const base = {
  plan: {
    ...{ product: 'encore', version: '11.1.0', channel: 'stable', soakMs: 1, neededPercent: 100 },
    threshold: { kind: 'count', count: 1 },
    stages: [
      { kind: 'group', group: 'canary' },
      { kind: 'percent', percent: 100 },
    ],
  },
  ...{ stage: 0, sizes: [1], setAside: {}, admitted: {}, history: [], createdAt: 1 },
} as const;
const word = { by: 'anna', reason: 'two came back', at: 1 };
const running: KnownWave = { ...base, state: 'running', soakUntil: null, lookAt: 0 };
const named = (state: KnownWave, wave = 'spring'): NamedWave => ({ wave, state });
const asker = (more: Partial<Asker> = {}): Asker => ({ installation: 'berlin', group: '', channel: 'stable', ...more });
const RELEASE = { version: '11.1.0', channels: ['stable'] };

describe('whether a wave lets an installation take its release', () => {
  it.each<[string, KnownWave, Partial<Asker>, string | undefined]>([
    ['its stage has begun', running, { group: 'canary' }, undefined],
    ['it has not', running, {}, 'is in stage 2 of 2 (100 %), and stage 1 of 2 (group canary) is under way'],
    ['the one before soaks', { ...running, soakUntil: 0 }, {}, 'soaks until 1970-01-01 00:00 UTC'],
    ['it was let in', { ...running, admitted: { berlin: word } }, {}, undefined],
    ['another was let in', { ...running, admitted: { bonn: word } }, {}, 'stage 2 of 2'],
    ['stopped', { ...base, state: 'stopped', word }, { group: 'canary' }, 'was stopped: two came back'],
    ['let in, and stopped', { ...base, admitted: { berlin: word }, state: 'stopped', word }, {}, undefined],
    ['aborted', { ...base, state: 'aborted', word }, { group: 'canary' }, 'was aborted: two came back'],
    ['done', { ...base, state: 'done' }, {}, undefined],
    ['it follows another channel', running, { channel: 'preview' }, 'which berlin does not follow'],
  ])('%s', (_, state, more, held) => {
    const found = heldBy(named(state), asker(more));
    if (held === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(held);
  });
});

describe('the wave that decides', () => {
  const preview: KnownWave = { ...running, plan: { ...base.plan, channel: 'preview' } };
  it.each<[string, readonly NamedWave[], Partial<Asker>, { version: string; channels: string[] }, string | undefined]>([
    ['of the channel', [named(running)], {}, RELEASE, 'spring'],
    ['none of another release', [named(running)], {}, { ...RELEASE, version: '11.2.0' }, undefined],
    ['the newest', [named(running), named({ ...running, createdAt: 2 }, 'summer')], {}, RELEASE, 'summer'],
    [
      'its own channel has it',
      [named(running)],
      { channel: 'preview' },
      { ...RELEASE, channels: ['preview', 'stable'] },
      undefined,
    ],
    ['it comes by no other way', [named(running)], { channel: 'preview' }, RELEASE, 'spring'],
    ['of its own channel first', [named(running), named(preview, 'early')], { channel: 'preview' }, RELEASE, 'early'],
  ])('%s', (_, waves, more, release, wave) => expect(waveFor(waves, asker(more), release)?.wave).toBe(wave));
});
