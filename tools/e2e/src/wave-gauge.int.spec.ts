import { catalogModule } from '@lastcall/catalog';
import { catalogV1, commonV1 } from '@lastcall/contracts';
import { schedulerModule } from '@lastcall/scheduler';
import { readMetrics, startStack, type Metrics, type Stack } from '@lastcall/testkit';
import { addSite, publishRelease } from './world/site.js';

/* A wave that has stopped wakes somebody: its state is a metric. */

const VERSION = '11.1.0';
let stack: Stack;
let metrics: Metrics;

beforeAll(async () => {
  metrics = await readMetrics();
  const settings = { metricsAddress: metrics.address };
  stack = await startStack({ modules: [catalogModule, schedulerModule], settings });
  await addSite(stack, { id: 'berlin', kind: commonV1.InstallationKind.SINGLE_USER, settings: {} });
  await publishRelease(stack, VERSION, '', { channel: 'preview' });
}, 60_000);
afterAll(() => stack.stop());

const isCounted = (state: string, count: number): Promise<void> =>
  metrics.reaches('waves', `state="${state}"`, (waves) => waves === count);

it('waves are counted by their state', async () => {
  const waves = stack.client(catalogV1.WaveServiceService);
  await isCounted('stopped', 0);
  const stages = [{ members: { $case: 'percent', value: 100 } }] as const;
  const wave = { product: 'encore', version: VERSION, channel: 'stable', stages: [...stages] };
  await waves.createWave({ waveId: 'spring', wave: catalogV1.Wave.fromPartial(wave) });
  await isCounted('running', 1);
  await waves.stopWave({ name: 'waves/spring', reason: 'the disk in Bremen was full' });
  await isCounted('stopped', 1);
  await isCounted('running', 0);
}, 90_000);
