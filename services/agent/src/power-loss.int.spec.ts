import { Server, ServerCredentials } from '@grpc/grpc-js';
import { sha256Hex } from '@lastcall/kernel';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAgent, type Agent } from './agent.js';
import { createBackups } from './backups.js';
import type { Order, OrderAction, OrderResult } from './domain/order.js';
import { layoutOf } from './layout.js';
import { createLog } from './log.js';
import { createReleases } from './releases.js';
import { startLossyDisk, type DiskImage } from './testing/lossy-disk.js';
import { sampleRelease } from './testing/sample-release.js';
import { startTestHost, type TestHost } from './testing/test-host.js';
import type { TestFile } from './testing/tuf-repository.js';

/*
 * The power goes away after each write of an order, and whatever had not been synced by then is lost. The agent starts on what is left, is
 * given the order once more, as the services do until they have its result, and comes to the same end; nothing is half.
 */

const RESTORE_POINT = 'rp-1';
const product = 'encore';
const stage: OrderAction = { kind: 'stage-release', product, version: '11.1.0' };
const backup: OrderAction = { kind: 'take-backup', product, restorePoint: RESTORE_POINT };
const install: OrderAction = { kind: 'install-release', product, version: '11.1.0' };
const downgrade: OrderAction = { kind: 'downgrade-release', product, version: '11.0.0', restorePoint: RESTORE_POINT };
const rollBack: OrderAction = { kind: 'roll-back-release', product, version: '11.0.0', restorePoint: RESTORE_POINT };
const restore: OrderAction = { kind: 'restore-backup', product, restorePoint: RESTORE_POINT };

/** Order, what comes before it, version afterwards. */
const CASES: readonly (readonly [string, OrderAction, readonly OrderAction[], string])[] = [
  ['StageRelease', stage, [], '11.0.0'],
  ['TakeBackup', backup, [], '11.0.0'],
  ['InstallRelease', install, [stage, backup], '11.1.0'],
  ['DowngradeRelease', downgrade, [stage, backup, install], '11.0.0'],
  ['RollBackRelease', rollBack, [stage, backup, install], '11.0.0'],
  ['RestoreBackup', restore, [backup], '11.0.0'],
];

const LEFT = Buffer.from('left by a killed agent\n');
/** New with the second version: a blob that is here already, one that gets another mode than it came with, and one that two modes share. */
const NEW_FILES: readonly TestFile[] = [
  { path: 'bin/alone', mode: 0o755, bytes: Buffer.from('#!/bin/sh\nexit 1\n') },
  { path: 'bin/copy', mode: 0o755, bytes: Buffer.from('#!/bin/sh\nexit 2\n') },
  { path: 'bin/as-text', mode: 0o644, bytes: Buffer.from('#!/bin/sh\nexit 2\n') },
  { path: 'left', mode: 0o644, bytes: LEFT },
];

/** Whole, under its name and not synced: what an agent has that was killed while it downloaded. */
function leaveBlob(dir: string): void {
  const sha256 = sha256Hex(LEFT);
  mkdirSync(join(dir, 'blobs', sha256.slice(0, 2)), { recursive: true });
  writeFileSync(join(dir, 'blobs', sha256.slice(0, 2), sha256), LEFT);
}

describe('a loss of power', () => {
  let host: TestHost;
  let place: string;
  const log = createLog(() => undefined);
  beforeEach(async () => {
    place = mkdtempSync(join(tmpdir(), 'lastcall-power-'));
    host = await startTestHost(new Server(), ServerCredentials.createInsecure());
    host.repository.publish(sampleRelease('11.0.0'), sampleRelease('11.1.0', { files: NEW_FILES }));
    await host.join();
    await host.install('11.0.0');
  });
  afterEach(async () => {
    await host.close();
    rmSync(place, { recursive: true, force: true });
  });

  function orderFor(action: OrderAction): Order {
    return {
      order: `o-${action.kind}`,
      installation: 'berlin',
      host: 'srv',
      run: 'r-1',
      fence: 1,
      deadlineAt: 0,
      action,
    };
  }

  async function carryOut(agent: Agent, action: OrderAction): Promise<OrderResult | undefined> {
    const order = orderFor(action);
    await agent.runner.receive(order);
    await agent.runner.idle();
    const state = agent.journal.book.orders.get(order.order);
    return state?.phase === 'finished' ? state.result : undefined;
  }

  const open = (dataDir: string): Promise<Agent> => openAgent({ dataDir, log, antivirus: [] });

  async function imagesDuring(action: OrderAction, before: readonly OrderAction[]): Promise<readonly DiskImage[]> {
    const agent = await open(host.dir);
    for (const earlier of before) expect((await carryOut(agent, earlier))?.failure).toBeUndefined();
    const disk = startLossyDisk(host.dir);
    if (action === stage) leaveBlob(host.dir);
    expect((await carryOut(agent, action))?.failure).toBeUndefined();
    disk.stop();
    await agent.stop();
    return disk.images;
  }

  it.each(CASES)(
    'after each write of %s',
    async (_name, action, before, after) => {
      const images = await imagesDuring(action, before);
      const staged = [action, ...before].includes(stage) ? ['11.0.0', '11.1.0'] : ['11.0.0'];
      expect(images.length).toBeGreaterThan(9);
      for (const [i, image] of images.entries()) {
        const dir = join(place, String(i));
        image.restoreTo(dir);
        const found = { current: readlinkSync(join(dir, 'current')), about: `${image.after.kind} ${image.after.path}` };
        expect(found).toMatchObject({ current: expect.stringMatching(/^versions\/11\.[01]\.0$/) });
        const agent = await open(dir);
        agent.runner.start();
        const result = await carryOut(agent, action);
        await agent.stop();
        expect({ ...found, ...result }).toMatchObject({ ...found, installedVersion: after });
        expect({ ...found, failure: result?.failure }).toEqual({ ...found, failure: undefined });
        const expected = wholeOn(after, existsSync(join(dir, 'backups', RESTORE_POINT)), staged);
        expect({ ...found, ...(await stateOf(dir)) }).toEqual({ ...found, ...expected });
        rmSync(dir, { recursive: true });
      }
    },
    300_000,
  );

  const wholeOn = (version: string, backedUp: boolean, staged: readonly string[]) => ({
    current: `versions/${version}`,
    running: version,
    schema: version,
    staged,
    changes: [],
    backups: backedUp ? [RESTORE_POINT] : [],
    backupIsWhole: backedUp,
  });

  async function stateOf(dir: string) {
    const json = (name: string): unknown => JSON.parse(readFileSync(join(dir, 'data', name), 'utf8'));
    const releases = createReleases(layoutOf(dir), product);
    const signal = AbortSignal.timeout(60_000);
    const changes: string[] = [];
    for (const version of await releases.stagedVersions()) {
      changes.push(...(await releases.findChanges(await releases.load(version), true, signal)));
    }
    const whole = await createBackups(layoutOf(dir))
      .check(RESTORE_POINT, signal)
      .then(
        () => true,
        () => false,
      );
    return {
      current: readlinkSync(join(dir, 'current')),
      running: json('running.json'),
      schema: (json('db.json') as { schema: string }).schema,
      staged: (await releases.stagedVersions()).toSorted(),
      changes,
      backups: readdirSync(join(dir, 'backups')).filter((name) => !name.startsWith('.')),
      backupIsWhole: whole,
    };
  }
});
