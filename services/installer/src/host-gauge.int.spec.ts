import { atToDate, hostOrderV1 } from '@lastcall/contracts';
import { readMetrics, startStack, type Metrics, type Stack } from '@lastcall/testkit';
import { installerModule } from './service.js';
import { simulatedCatalog } from './simulation/simulated-catalog.js';
import { createSimulatedSite, type SimulatedSite } from './simulation/simulated-site.js';

/* What the fleet's gauges say while a host downloads. */

let stack: Stack;
let site: SimulatedSite;
let metrics: Metrics;

beforeAll(async () => {
  metrics = await readMetrics();
  const settings = { metricsAddress: metrics.address };
  stack = await startStack({ modules: [simulatedCatalog, installerModule], settings });
  site = createSimulatedSite(
    () => stack,
    () => {},
  );
}, 60_000);
afterAll(() => stack.stop());

it('says how much is still to be downloaded, until that is over', async () => {
  await site.join('srv', await site.token('srv'));
  const srv = site.agent('srv');
  srv.next('collectFacts', 'hang');
  site.connect('srv');
  const order = `${site.installation}-a`;
  const message = hostOrderV1.HostOrder.fromPartial({
    ...{ order, installation: site.installation, host: 'srv', issuedBy: 'preflight' },
    deadline: atToDate(Date.now() + 60_000),
    action: { $case: 'collectFacts', value: { product: 'encore', version: '' } },
  });
  await stack.publish('HostOrderIssued', site.installation, { order: message }, `installer/plans/${site.installation}`);
  await metrics.reaches('hosts', 'role="server",connected="true"', (hosts) => hosts === 1);
  await stack.seen('HostOrderProgressed');
  // At its own step the host downloads nothing.
  expect(await metrics.valueOf('staging_bytes')).toBe(0);
  srv.send({
    $case: 'progress',
    value: { order, progress: { step: 'download', done: 300n, total: 1_000n, note: '' } },
  });
  await metrics.reaches('staging_bytes', '', (bytes) => bytes === 700);
  srv.release();
  await stack.seen('HostOrderCompleted');
  await metrics.reaches('staging_bytes', '', (bytes) => bytes === 0);
}, 60_000);
