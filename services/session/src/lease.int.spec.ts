import { commonV1, operationsV1, sessionV1 } from '@lastcall/contracts';
import { SECOND_MS, type RunSpec } from '@lastcall/kernel';
import { CODE, type UnaryClient } from '@lastcall/sdk';
import { describeWith, mongodbUrl, type Stack, type StackOptions, startStack } from '@lastcall/testkit';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { sessionModule } from './service.js';
import { backupTaken, installationUpdated, INSTALLATION, withoutTerminalServers } from './testing/run-events.js';
import { aboutRun, GATE, openSite, SITE_SETTINGS, type Site } from './testing/site.js';

/*
 * A run that dies leaves no gate shut behind it, and no gate open over a half-installed version; and what is away for a while, the
 * store, is not taken for a run that died.
 */

const { GateState } = sessionV1;
const LEASE = 2 * SECOND_MS;
const { hosts } = withoutTerminalServers();

async function start(options: Omit<StackOptions, 'modules'>): Promise<Stack & Site> {
  const settings = { ...SITE_SETTINGS, ...options.settings };
  return openSite(await startStack({ modules: [sessionModule], ...options, settings }));
}

function suite(options: Omit<StackOptions, 'modules'>): void {
  let site: Stack & Site;
  let scheduler: UnaryClient<typeof sessionV1.SessionServiceService>;

  beforeEach(async () => {
    site = await start({ ...options, settings: { gateLeaseMs: LEASE, ...options.settings } });
    scheduler = site.client(sessionV1.SessionServiceService);
  });
  afterEach(() => site.stop());

  /** As the scheduler does. */
  const renew = ({ run, fence }: RunSpec) => scheduler.renewGateLease({ name: GATE, run, fence });

  it('opens the gate when the run is not heard of any more, and not before', async () => {
    const { client } = await site.attached();
    const run = await site.shutFor({ hosts, reactionTimeMs: 60_000 });
    const { notice } = await client.until('notice');
    // Alive for two leases.
    const until = Date.now() + 2 * LEASE;
    let leaseUntil = 0;
    while (Date.now() < until) {
      const renewed = await renew(run);
      expect(renewed.leaseUntil?.getTime()).toBeGreaterThanOrEqual(leaseUntil);
      leaseUntil = renewed.leaseUntil?.getTime() ?? Infinity;
      expect((await site.gate()).leaseUntil).toEqual(renewed.leaseUntil);
    }
    expect((await site.gate()).state).toBe(GateState.CLOSING);

    const failed = await site.seen('DrainFailed', aboutRun(run));
    expect(failed.message.failure?.reason).toBe('LEASE_LOST');
    expect(Date.now()).toBeGreaterThanOrEqual(leaseUntil);
    const { message } = await site.seen('GateReopened', aboutRun(run));
    expect(message).toMatchObject({ outcome: commonV1.RunOutcome.FAILED, version: '11.0.0' });
    expect((await client.until('noticeWithdrawn')).notice).toBe(notice);
    expect((await site.gate()).leaseUntil).toBeUndefined();
    expect(client.count('ended')).toBe(0);
    client.cut();
  });

  it('raises the alarm and stays shut when the install may be running', async () => {
    const run = await site.shutFor({ hosts, reactionTimeMs: 0 });
    await site.seen('SessionsDrained', aboutRun(run));
    await site.publish('BackupTaken', INSTALLATION, backupTaken(run));
    await site.seen('DrainConfirmed', aboutRun(run));
    await site.gateUntil((gate) => gate.phase === 'confirmed' && gate.alarm === 'lease-lost');
    const gate = await site.gate();
    expect(gate).toMatchObject({ state: GateState.CLOSED, alarm: true });
    expect(gate.reason).toContain('your administrator has to look');
    expect((await site.attach().until('refused')).text).toContain('Ask your administrator.');

    // It comes back, and the alarm is over; the outcome opens as always.
    await renew(run);
    expect(await site.gate()).toMatchObject({ state: GateState.CLOSED, alarm: false });
    await site.publish('InstallationUpdated', INSTALLATION, installationUpdated(run));
    await site.seen('GateReopened', aboutRun(run));
    await site.gateUntil(({ phase }) => phase === 'open');
  });

  it('lets a person break the glass after that alarm, which is on record', async () => {
    const run = await site.shutFor({ hosts, reactionTimeMs: 0 });
    await site.seen('SessionsDrained', aboutRun(run));
    await site.publish('BackupTaken', INSTALLATION, backupTaken(run));
    await site.gateUntil((gate) => gate.phase === 'confirmed' && gate.alarm === 'lease-lost');
    await site.operator().openGate({ name: GATE, reason: 'The server burned down.' });
    expect((await site.gate()).state).toBe(GateState.OPEN);
    const { auditRecords } = await site
      .client(operationsV1.OperationsServiceService)
      .listAuditRecords({ pageSize: 10, pageToken: '', ownProcess: true });
    expect(auditRecords).toMatchObject([{ actor: 'operator', resource: GATE, reason: 'The server burned down.' }]);
  });

  it('is renewed by its run only', async () => {
    const run = await site.shutFor({ hosts, reactionTimeMs: 60_000 });
    const notTheHolder = { code: CODE.failedPrecondition, reason: 'NOT_THE_HOLDER' };
    await expect(renew({ ...run, run: 'r-other' })).rejects.toMatchObject(notTheHolder);
    await expect(renew({ ...run, fence: run.fence + 1 })).rejects.toMatchObject(notTheHolder);
    await expect(site.operator().renewGateLease({ name: GATE, run: run.run, fence: run.fence })).rejects.toMatchObject({
      code: CODE.permissionDenied,
    });
    await site.seen('GateReopened', aboutRun(run));
    await expect(renew(run)).rejects.toMatchObject(notTheHolder);
  });
}

describe('the lease of a gate, embedded', () => suite({}));
describeWith('mongodb', 'the lease of a gate, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite({ store: 'mongodb', bus: 'nats' }));
});

/** The road to the store, which can be cut. */
class Road {
  private readonly sockets = new Set<Socket>();
  private away = false;

  private constructor(private readonly server: Server) {}

  static async to(url: string): Promise<{ road: Road; url: string }> {
    const target = new URL(url);
    const server = createServer();
    const road = new Road(server);
    server.on('connection', (near) => road.carry(near, connect(Number(target.port || 27017), target.hostname)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const near = new URL(url);
    near.port = String((server.address() as AddressInfo).port);
    near.hostname = '127.0.0.1';
    return { road, url: near.href };
  }

  cut(): void {
    this.away = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.away = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private carry(near: Socket, far: Socket): void {
    for (const socket of [near, far]) {
      this.sockets.add(socket);
      // A road that is cut has no last words.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    if (this.away) near.destroy();
    else near.pipe(far).pipe(near);
  }
}

const OUTAGE = { gateLeaseMs: 3 * SECOND_MS, sessionLeaseMs: 8 * SECOND_MS };

describeWith('mongodb', 'an outage of the store', () => {
  it('opens no gate, however long it was', async () => {
    const { road, url } = await Road.to(mongodbUrl() ?? '');
    const site = await start({ store: 'mongodb', settings: { store: url, ...OUTAGE } });
    try {
      const { client } = await site.attached();
      const run = await site.shutFor({ hosts, reactionTimeMs: 10 * 60_000 });
      const scheduler = site.client(sessionV1.SessionServiceService);
      const renew = () =>
        scheduler.renewGateLease({ name: GATE, run: run.run, fence: run.fence }, { timeoutMs: 2_000 });
      const until = Date.now() + 2 * SECOND_MS;
      while (Date.now() < until) await renew();
      road.cut();
      // The replica's own lease is longer than the gate's: when its streams end, the gate's has long run out.
      await client.until('ended', () => true, 15_000);
      road.mend();
      // The gate is looked at before the run is heard of again: an event of another run makes it.
      await site.gateUntil(() => true);
      await site.publish('BackupTaken', INSTALLATION, backupTaken({ ...run, run: 'r-other' }));
      const looks = Date.now() + 1.5 * SECOND_MS;
      await site.gateUntil(({ phase }) => phase === 'open' || Date.now() > looks);
      const { leaseUntil } = await renew();
      expect(leaseUntil?.getTime()).toBeGreaterThan(Date.now());
      expect((await site.gate()).state).not.toBe(GateState.OPEN);
      // And then it counts again.
      const failed = await site.seen('DrainFailed', aboutRun(run));
      expect(failed.message.failure?.reason).toBe('LEASE_LOST');
    } finally {
      await site.stop();
      await road.close();
    }
  });
});
