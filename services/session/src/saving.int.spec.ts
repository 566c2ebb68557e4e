import { sessionV1 } from '@lastcall/contracts';
import { attachSession, type AttachOptions } from '@lastcall/sdk';
import { describeWith, startStack, type Stack, type StackOptions } from '@lastcall/testkit';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { sessionModule } from './service.js';
import { backupTaken, INSTALLATION, withoutTerminalServers } from './testing/run-events.js';
import { aboutRun, openSite, PARENT, SITE_SETTINGS, type Site } from './testing/site.js';

/*
 * Zero is said only when the work is saved: a program that saves at the logoff is inside until it has, and no longer than its time.
 */

const { EndReason, RefusalReason } = sessionV1;
const { hosts } = withoutTerminalServers();
const SAVE_MS = 8_000;
/** What programs of the tests take to save. */
const WORK_MS = 1_500;

function suite(options: Omit<StackOptions, 'modules'>): void {
  let site: Stack & Site;
  let folder: string;
  const over: (() => void)[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lastcall-saving-'));
    const settings = { ...SITE_SETTINGS, saveTimeoutMs: SAVE_MS };
    site = await openSite(await startStack({ modules: [sessionModule], ...options, settings }));
  });
  afterEach(async () => {
    over.splice(0).forEach((end) => end());
    await site.stop();
    rmSync(folder, { recursive: true });
  });

  const count = async () => (await site.operator().countSessions({ parent: PARENT })).count;

  /** A program with the SDK. Resolves when its user is logged in. */
  async function program(more: Partial<AttachOptions>): Promise<ReturnType<typeof attachSession>> {
    let session: ReturnType<typeof attachSession> | undefined;
    await new Promise<void>((resolve) => {
      const channel = site.channel('client', INSTALLATION);
      const env = { LASTCALL_INSTALLATION: INSTALLATION };
      session = attachSession({ user: 'ann', version: '11.0.0', channel, env, onAttached: () => resolve(), ...more });
    });
    if (!session) throw new Error('there is no session');
    const mine = session;
    over.push(() => void mine.goodbye());
    return mine;
  }

  /** Saves open work as programs do: into a file, which is there when the work is saved. */
  function saver() {
    const file = join(folder, 'work.txt');
    const times = { toldAt: 0, savedAt: 0 };
    const onLogoff = async (): Promise<void> => {
      times.toldAt = Date.now();
      await after(WORK_MS);
      await writeFile(file, 'a draft');
      times.savedAt = Date.now();
    };
    return { file, times, onLogoff };
  }

  it('is waited for at the deadline, and the drain is over as soon as it is done', async () => {
    const { file, times, onLogoff } = saver();
    await program({ onLogoff });
    const run = await site.shutFor({ hosts, reactionTimeMs: 1_000 });
    const { message, envelope } = await site.seen('SessionsDrained', aboutRun(run));
    expect(existsSync(file)).toBe(true);
    expect(envelope.time).toBeGreaterThanOrEqual(times.savedAt - 1);
    expect(envelope.time - times.toldAt).toBeLessThan(SAVE_MS);
    expect(message.summary).toMatchObject({ told: 1, ended: 1, left: 0, lost: 0 });
    expect(await count()).toBe(0);
  });

  it('is waited for when everybody was ready before', async () => {
    const { file, times, onLogoff } = saver();
    const session = await program({ onLogoff, onNotice: () => session.ready() });
    const run = await site.shutFor({ hosts, reactionTimeMs: 10 * 60_000 });
    const { message, envelope } = await site.seen('SessionsDrained', aboutRun(run));
    expect(existsSync(file)).toBe(true);
    expect(envelope.time).toBeGreaterThanOrEqual(times.savedAt - 1);
    expect(message.summary).toMatchObject({ told: 1, ready: 1, left: 1, ended: 0, lost: 0 });
  });

  it('is waited for before the install too', async () => {
    await site.setPolicy({ exemptUsers: ['support'] });
    const { file, times, onLogoff } = saver();
    await program({ user: 'support', onLogoff });
    const run = await site.shutFor({ hosts, reactionTimeMs: 0 });
    await site.seen('SessionsDrained', aboutRun(run));
    await site.publish('BackupTaken', INSTALLATION, backupTaken(run));
    const { envelope } = await site.seen('DrainConfirmed', aboutRun(run));
    expect(existsSync(file)).toBe(true);
    expect(envelope.time).toBeGreaterThanOrEqual(times.savedAt - 1);
  });

  it('is waited for no longer than it was told', async () => {
    let toldAt = 0;
    await program({
      onLogoff: () => {
        toldAt = Date.now();
        return new Promise<void>(() => {});
      },
    });
    // It does not even end its side when the time is over.
    const { client: deaf } = await site.attached({ user: 'bob', savesOnLogoff: true });
    const run = await site.shutFor({ hosts, reactionTimeMs: 500 });
    expect(await deaf.until('ended')).toMatchObject({ saveWithin: { seconds: 8n, nanos: 0 } });
    const { message, envelope } = await site.seen('SessionsDrained', aboutRun(run));
    expect(envelope.time - toldAt).toBeGreaterThanOrEqual(SAVE_MS - 250);
    expect(envelope.time - toldAt).toBeLessThan(SAVE_MS + 2_000);
    expect(message.summary).toMatchObject({ told: 2, ended: 2, lost: 0 });
    expect(await deaf.ended).toBeUndefined();
  });

  it('is not waited for when its program is killed, and ended at the deadline all the same', async () => {
    const { client } = await site.attached({ savesOnLogoff: true });
    const run = await site.shutFor({ hosts, reactionTimeMs: 500 });
    const { reason } = await client.until('ended');
    const cutAt = Date.now();
    client.cut();
    expect(reason).toBe(EndReason.DEADLINE);
    const { message, envelope } = await site.seen('SessionsDrained', aboutRun(run));
    expect(envelope.time - cutAt).toBeLessThan(SAVE_MS / 2);
    expect(message.summary).toMatchObject({ told: 1, ended: 1, lost: 0 });
  });

  it('is not waited for when it does not say that it saves', async () => {
    const { client } = await site.attached();
    const { client: lost } = await site.attached({ user: 'bob', savesOnLogoff: true });
    const run = await site.shutFor({ hosts, reactionTimeMs: 500 });
    await lost.until('notice');
    lost.cut();
    expect(await client.until('ended')).toMatchObject({ reason: EndReason.DEADLINE, saveWithin: undefined });
    const endedAt = Date.now();
    const { message, envelope } = await site.seen('SessionsDrained', aboutRun(run));
    expect(envelope.time - endedAt).toBeLessThan(SAVE_MS / 2);
    expect(message.summary).toMatchObject({ told: 2, ended: 1, lost: 1 });
  });

  it('hears nothing more, counts as inside, and does not come back meanwhile', async () => {
    const { client, welcome } = await site.attached({ savesOnLogoff: true });
    const run = await site.shutFor({ hosts, reactionTimeMs: 10 * 60_000 });
    await client.until('notice');
    client.say({ $case: 'ready', value: {} });
    expect(await client.until('ended')).toMatchObject({ reason: EndReason.READY, comeBack: true });

    await site.operator().sendNotice({ parent: PARENT, text: 'Coffee!' });
    client.say({ $case: 'heartbeat', value: {} });
    client.say({ $case: 'goodbye', value: {} });
    const again = site.attach({ resumeToken: welcome.resumeToken, savesOnLogoff: true });
    expect((await again.until('refused')).reason).toBe(RefusalReason.GATE_SHUT);
    expect(await count()).toBe(1);
    const page = { pageSize: 0, pageToken: '', user: '', host: '' };
    const { sessions } = await site.operator().listSessions({ parent: PARENT, ...page });
    expect(sessions).toMatchObject([{ lost: false }]);
    expect((await site.gate()).state).toBe(sessionV1.GateState.CLOSING);

    client.end();
    expect(await client.ended).toBeUndefined();
    expect(client.heard.at(-1)?.message.$case).toBe('ended');
    await site.seen('SessionsDrained', aboutRun(run));
    expect(await count()).toBe(0);
  });
}

describe('work that is saved at the logoff, embedded', () => suite({}));
describeWith('mongodb', 'work that is saved at the logoff, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite({ store: 'mongodb', bus: 'nats' }));
});
