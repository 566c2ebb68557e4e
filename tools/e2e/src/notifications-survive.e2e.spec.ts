import { commonV1, schedulerV1 } from '@lastcall/contracts';
import { createRecorder, until } from '@lastcall/testkit';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createWorld, INSTALLATION, type World } from './world/world.js';

/*
 * A whole run on real hosts that is rolled back; its report; and the notification of it, whose sender is killed while the receiver
 * has it and has not answered.
 */

const PARENT = `installations/${INSTALLATION}`;
const TIMEOUT_MS = 60_000;

interface Told {
  readonly id: string;
  readonly body: string;
}

describe('a run that is rolled back', () => {
  let world: World;
  let server: Server;
  let hangs = true;
  const told = createRecorder<Told>();
  beforeAll(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        told.add({ id: String(request.headers['webhook-id']), body: Buffer.concat(chunks).toString('utf8') });
        if (!hangs) response.writeHead(204).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const scheduler = { LASTCALL_NOTIFY_TIMEOUT_MS: '2000' };
    world = await createWorld({ pair: 'embedded', settings: { scheduler }, reactionTimeMs: 1_000 });
  }, 180_000);
  afterAll(async () => {
    await world.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }, 60_000);

  it(
    'is told under one id, whoever is killed meanwhile, and reported with its phases and its way back',
    async () => {
      const { scheduler } = world.services;
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const target = schedulerV1.NotificationTarget.fromPartial({ channel: { $case: 'webhook', value: { url } } });
      await scheduler.createNotificationTarget({ parent: PARENT, targetId: 'ops', target });

      await world.publish({ version: '1.1.0', troubles: { health: 'fails' } });
      const run = await world.ended(await world.update('1.1.0'));
      expect(run.outcome).toBe(commonV1.RunOutcome.ROLLED_BACK);
      await told.until(() => true, TIMEOUT_MS, () => 'the first attempt'); // prettier-ignore
      await world.lastcall.killAndRestart('scheduler');
      hangs = false;
      await until(async () => told.items.length > 1, 'the attempt after the kill', TIMEOUT_MS);
      expect(new Set(told.items.map(({ id }) => id)).size).toBe(1);
      expect(new Set(told.items.map(({ body }) => body)).size).toBe(1);
      expect(JSON.parse(told.items[0]?.body ?? '')).toMatchObject({ type: 'run-rolled-back', data: { reason: 'HEALTH_FAILED' } }); // prettier-ignore

      const { report } = await scheduler.getRunReport({ name: run.name });
      expect(report?.phases.map(({ phase }) => phase)).toEqual([
        ...['preflight', 'staging', 'draining', 'backing-up', 'confirming', 'installing', 'reopening'],
      ]);
      expect(report).toMatchObject({ wayBack: { dataRestored: true, failures: [] }, backup: { verified: true }, estimatedFrom: 0 }); // prettier-ignore
      expect(report?.took?.seconds).toBeGreaterThanOrEqual(report?.gateShut?.seconds ?? Infinity);
    },
    3 * TIMEOUT_MS,
  );
});
