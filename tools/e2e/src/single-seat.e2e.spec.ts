import { openBackup } from '@lastcall/agent/testing';
import { openUpdates, type Updates, type UpdateProgress, type UpdateState } from '@lastcall/sdk';
import { createTempFolder, startProgram, until, type TempFolder } from '@lastcall/testkit';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './world/lastcall-processes.js';
import { copySeat, exportReleases, readData, setUpSeat, type Seat } from './world/seat.js';
import { mountSmallDisk } from './world/small-disk.js';
import { startWebSpace, type WebSpace } from './world/web-space.js';

/*
 * A single seat and a web space: the signed files over plain HTTP, no server of Lastcall. Encore 11.0.0 to 11.1.0, a broken 11.2.0, and everything
 * that can go wrong on the way.
 */

const REASON = 'the data lies on a file server';

let folder: TempFolder;
let webWith: (what: string) => string;
let web: WebSpace;
let fresh: Seat;
const seats: Seat[] = [];

beforeAll(async () => {
  folder = await createTempFolder('seat');
  webWith = await exportReleases(folder.path);
  web = await startWebSpace(webWith('11.0.0'));
  fresh = await setUpSeat(join(folder.path, 'fresh'), web.url, join(webWith('11.0.0'), 'tuf/root.json'));
  await fresh.book('1-1');
  await fresh.stopApplication();
}, 180_000);
afterEach(async () => {
  for (const seat of seats.splice(0)) await seat.stopApplication();
  web.holdAfter = undefined;
  web.instead.clear();
});
afterAll(async () => {
  await web.takeAway();
  await folder.remove();
});

/** A computer with 11.0.0 running and one booking, and a web space whose newest, or whose channel, is this. */
async function seatWith(what: string): Promise<Seat> {
  web.folder = webWith(what);
  const seat = copySeat(fresh, join(folder.path, `seat-${Math.random().toString(36).slice(2, 8)}`));
  seats.push(seat);
  await seat.startApplication();
  return seat;
}

const backups = (seat: Seat): string[] => readdirSync(join(seat.dir, 'backups'));

describe('an application with the SDK', () => {
  let updates: Updates;
  const states: UpdateState[] = [];
  const progress: UpdateProgress[] = [];
  const open = (seat: Seat): Updates =>
    openUpdates({ folder: seat.dir, onState: (s) => states.push(s), onProgress: (p) => progress.push(p) });
  beforeEach(() => {
    states.length = 0;
    progress.length = 0;
  });
  afterEach(() => updates.close());

  it('is told what is new, pauses and resumes the download, and is restarted into it at its next start', async () => {
    const seat = await seatWith('11.1.0');
    updates = open(seat);
    expect(await updates.check()).toEqual({
      installedVersion: '11.0.0',
      release: { version: '11.1.0', title: 'Encore 11.1.0', notes: expect.stringContaining('waiting list') },
      reason: '',
      triedBefore: '',
    });
    web.holdAfter = 1024 * 1024;
    web.blobBytes = 0;
    const begun = updates.begin();
    await until(() => (progress.at(-1)?.done ?? 0) >= 1024 * 1024, 'half of the download');
    const moving = progress.filter((p) => p.step === 'download' && p.total !== undefined);
    expect(moving.at(-1)).toMatchObject({ total: expect.any(Number), bytesPerSecond: expect.any(Number) });
    expect(await updates.pause()).toMatchObject({ phase: 'paused', update: { version: '11.1.0' } });
    expect(await begun).toMatchObject({ phase: 'paused' });
    expect(backups(seat)).toHaveLength(1);
    const arrived = web.blobBytes;

    // The application goes on, and is used.
    await seat.book('1-2');
    web.holdAfter = undefined;
    web.requests.length = 0;
    expect(await updates.resume()).toMatchObject({ phase: 'ready', when: 'not-said' });
    expect(web.requests.some(({ path, range }) => path.startsWith('blobs/') && range !== undefined)).toBe(true);
    expect(web.blobBytes - arrived).toBeLessThan(1.2 * 1024 * 1024);

    expect(await updates.restart('later')).toMatchObject({ phase: 'ready', when: 'later' });
    expect(await updates.atStart()).toBe('go-on');
    expect(await updates.restart('next-start')).toMatchObject({ phase: 'ready', when: 'next-start' });
    expect([seat.version(), await seat.alive()]).toEqual(['11.0.0', '11.0.0']);
    await updates.close();

    updates = open(seat);
    expect(await updates.atStart()).toBe('restarted');
    expect(updates.state).toMatchObject({ phase: 'resting', installedVersion: '11.1.0', last: { result: 'updated' } });
    expect([seat.version(), await seat.alive()]).toEqual(['11.1.0', '11.1.0']);
    expect(seat.data()).toEqual({ schema: 2, seats: ['1-1', '1-2'] });
    // One backup of the update, and it is the one of the restart: what was entered during the download is in it.
    const [point = ''] = backups(seat);
    expect(backups(seat)).toEqual([updates.state?.last?.restorePoint]);
    const { filesDir, close } = await openBackup(seat.dir, point);
    expect(readData(join(filesDir, 'encore.db')).seats).toEqual(['1-1', '1-2']);
    await close();
    expect(states.map((s) => s.phase)).toEqual(expect.arrayContaining(['saving', 'installing', 'resting']));
    expect(await updates.check()).toMatchObject({
      release: undefined,
      reason: expect.stringContaining('is the newest'),
    });
  }, 180_000);

  it('that breaks comes back with its data', async () => {
    const seat = await seatWith('11.2.0');
    updates = open(seat);
    expect(await updates.begin()).toMatchObject({ phase: 'ready', update: { version: '11.2.0' } });
    await seat.book('2-2');
    const after = await updates.restart('now');
    expect(after).toMatchObject({
      phase: 'resting',
      installedVersion: '11.0.0',
      last: { result: 'gone-back', version: '11.2.0', problem: { reason: 'HEALTH_FAILED', message: expect.stringContaining('seat-maps-2.json is missing') } }, // prettier-ignore
    });
    expect(states.map((s) => s.phase)).toContain('going-back');
    expect([seat.version(), await seat.alive()]).toEqual(['11.0.0', '11.0.0']);
    expect(seat.data()).toEqual({ schema: 1, seats: ['1-1', '2-2'] });
    expect(await updates.check()).toMatchObject({
      triedBefore: expect.stringContaining('seat-maps-2.json is missing'),
    });
  }, 180_000);

  it('that dies in the download leaves nothing running and loses nothing', async () => {
    const seat = await seatWith('11.1.0');
    web.holdAfter = 512 * 1024;
    const application = startProgram(join(ROOT, 'libs/sdk/examples/updates.ts'), [], { LASTCALL_SEAT: seat.dir });
    await application.until(/^started$/);
    application.write('begin\n');
    await application.until(/^download: [5-9]\d{5} of /);
    application.kill('SIGKILL');
    await application.exited;
    // The data folder is free when the agent program has gone.
    await until(async () => (await seat.agent('status')).text.includes('not running'), 'the end of the agent program');
    web.holdAfter = undefined;
    updates = open(seat);
    expect(await updates.refresh()).toMatchObject({ phase: 'downloading', update: { version: '11.1.0' } });
    expect(await updates.resume()).toMatchObject({ phase: 'ready' });
    expect(await updates.restart('now')).toMatchObject({ installedVersion: '11.1.0' });
  }, 180_000);

  it('skips the backup for a reason only, which is recorded, and then has no way back for its data', async () => {
    const seat = await seatWith('11.2.0');
    updates = open(seat);
    await expect(updates.begin({ skipBackup: '  ' })).rejects.toMatchObject({ reason: 'REASON_NEEDED' });
    expect(await updates.begin({ skipBackup: REASON })).toMatchObject({
      phase: 'ready',
      update: { skipBackup: REASON },
    });
    expect(backups(seat)).toEqual([]);
    const stuck = await updates.restart('now');
    expect(stuck).toMatchObject({
      phase: 'stuck',
      update: { skipBackup: REASON },
      problem: { reason: 'HEALTH_FAILED' },
    });
    await expect(updates.begin()).rejects.toMatchObject({ reason: 'SEAT_STUCK' });
    expect(seat.version()).toBe('11.0.0');
  }, 180_000);

  it('is refused what cannot be, and goes on', async () => {
    const seat = await seatWith('11.1.0');
    updates = open(seat);
    await expect(updates.restart('now')).rejects.toMatchObject({ reason: 'NOT_READY' });
    await expect(updates.resume()).rejects.toMatchObject({ reason: 'NOTHING_TO_RESUME' });
    await expect(updates.pause()).rejects.toMatchObject({ reason: 'NOTHING_TO_PAUSE' });
    await expect(updates.begin({ version: '11.0.0' })).rejects.toMatchObject({ reason: 'UPDATE_NOT_POSSIBLE' });
    await expect(updates.begin({ version: '99.0.0' })).rejects.toMatchObject({ reason: 'UPDATE_NOT_POSSIBLE' });
    await expect(updates.begin({ version: 'newest' })).rejects.toMatchObject({ message: expect.stringContaining('semantic version') }); // prettier-ignore
    const nowhere = openUpdates({ folder: join(folder.path, 'nowhere') });
    await expect(nowhere.check()).rejects.toMatchObject({ reason: 'NO_SEAT' });
    expect(await updates.check()).toMatchObject({ release: { version: '11.1.0' } });
  }, 180_000);
});

describe('the command line on a seat', () => {
  it('checks and updates without any server, and says the same words', async () => {
    const seat = await seatWith('11.1.0');
    const found = await seat.lastcall('update', 'check');
    expect(found.text).toMatch(/Installed +11\.0\.0\nNewer +11\.1\.0 Encore 11\.1\.0\nNotes +New: a waiting list/);
    expect(await seat.lastcall('update', 'now')).toMatchObject({ code: 2, text: expect.stringContaining('--yes') });
    const later = await seat.lastcall('update', 'now', '--yes', '--restart', 'later', '--skip-backup', REASON);
    expect(later).toMatchObject({ code: 0, text: expect.stringContaining('11.1.0 ready, put off') });
    expect(seat.version()).toBe('11.0.0');
    const done = await seat.lastcall('update', 'now', '--yes');
    expect(done).toMatchObject({ code: 0, text: expect.stringMatching(/11\.0\.0 to 11\.1\.0: updated at /) });
    expect([seat.version(), await seat.alive()]).toEqual(['11.1.0', '11.1.0']);
    const after = await seat.lastcall('update', 'check');
    expect(after.text).toMatch(/Newer +none\n(.*\n)*Last update +11\.0\.0 to 11\.1\.0: updated/);
    expect(after.text).toContain(`backup: skipped (${REASON})`);
    expect(await seat.lastcall('update', 'now', '--yes')).toMatchObject({ code: 0, text: expect.stringMatching(/^Nothing to update/) }); // prettier-ignore
  }, 180_000);

  it('takes what the channel of the web space offers, by the path of required versions', async () => {
    const seat = await seatWith('preview');
    expect((await seat.lastcall('update', 'check')).text).toMatch(/Newer +12\.0\.0-beta\.1 /);
    // Signed as well, and not offered there.
    web.folder = webWith('11.1.0');
    expect((await seat.lastcall('update', 'check')).text).toMatch(/Newer +11\.1\.0 [^\n]*\n(?!Reason)/);
    const hidden = await seat.lastcall('update', 'now', '--yes', '--version', '11.1.2');
    expect(hidden).toMatchObject({ code: 3, text: expect.stringContaining('11.1.2 is not offered here') });
    web.folder = webWith('demanding');
    const check = await seat.lastcall('update', 'check');
    expect(check.text).toMatch(/Newer +11\.1\.1 [^\n]*\nReason +11\.1\.2 needs 11\.1\.1 to be installed first/);
    const refused = await seat.lastcall('update', 'now', '--yes', '--version', '11.1.2');
    expect(refused).toMatchObject({ code: 3, text: expect.stringContaining('needs 11.1.1 to be installed first') });
    expect(await seat.lastcall('update', 'now', '--yes')).toMatchObject({ code: 0 });
    expect(await seat.lastcall('update', 'now', '--yes')).toMatchObject({ code: 0 });
    expect(seat.version()).toBe('11.1.2');
  }, 180_000);

  it('says that the web space cannot be reached, changes nothing, and goes on when it is back', async () => {
    const seat = await seatWith('11.1.0');
    await web.takeAway();
    try {
      const offline = await seat.lastcall('update', 'now', '--yes');
      expect(offline).toMatchObject({ code: 5, text: expect.stringContaining('cannot be reached') });
      expect(offline.text).not.toContain('Is Lastcall running');
    } finally {
      await web.bringBack();
    }
    expect([seat.version(), await seat.alive(), backups(seat)]).toEqual(['11.0.0', '11.0.0', []]);
    expect(await seat.lastcall('update', 'now', '--yes')).toMatchObject({ code: 0 });
    expect(await seat.alive()).toBe('11.1.0');
  }, 180_000);
});

describe('a web space that lies', () => {
  /** The largest blob of the newest version: its media. */
  const mediaOf = (newest: string): string => {
    const targets = join(webWith(newest), 'tuf/targets/encore', newest);
    const tree = readdirSync(targets).find((name) => name.endsWith('.server-any.tree.json')) ?? '';
    const { files } = JSON.parse(readFileSync(join(targets, tree), 'utf8')) as {
      files: { path: string; sha256: string }[];
    };
    return `blobs/${files.find((f) => f.path === 'media.bin')?.sha256}`;
  };

  it.each([
    ['a signature of nobody', 'tuf/timestamp.json', (b: Buffer) => Buffer.from(b.toString().replace(/"sig":"[0-9a-f]{8}/, '"sig":"00000000'))], // prettier-ignore
    ['another version under the old signature', 'tuf/timestamp.json', (b: Buffer) => Buffer.from(b.toString().replace(/"version":\d+/, '"version":99'))], // prettier-ignore
    ['half a file', 'tuf/timestamp.json', (b: Buffer) => b.subarray(0, 100)],
  ])(
    '%s is refused before anything begins',
    async (_, path, change) => {
      const seat = await seatWith('11.1.0');
      web.instead.set(path, change(readFileSync(join(web.folder, path))));
      const refused = await seat.lastcall('update', 'now', '--yes');
      expect(refused).toMatchObject({ code: 1, text: expect.stringMatching(/not accepted|is refused/) });
      expect([seat.version(), backups(seat), existsSync(join(seat.dir, 'seat-update.json'))]).toEqual([
        '11.0.0',
        [],
        false,
      ]);
      expect(await seat.alive()).toBe('11.0.0');
    },
    180_000,
  );

  it('other bytes are refused, and fetched again when the right ones are there', async () => {
    const seat = await seatWith('11.1.0');
    const blob = mediaOf('11.1.0');
    const right = readFileSync(join(web.folder, blob));
    web.instead.set(blob, Buffer.alloc(right.byteLength, 7));
    const refused = await seat.lastcall('update', 'now', '--yes');
    expect(refused).toMatchObject({ code: 1, text: expect.stringContaining('is not the file that was signed') });
    expect([seat.version(), await seat.alive()]).toEqual(['11.0.0', '11.0.0']);
    web.instead.clear();
    expect(await seat.lastcall('update', 'now', '--yes')).toMatchObject({ code: 0 });
    expect(await seat.alive()).toBe('11.1.0');
  }, 180_000);
});

describe('a disk that is full', () => {
  it('stops the download, says so, and the update goes on when there is room', async () => {
    const disk = mountSmallDisk(join(folder.path, 'small-disk'), '96m');
    if (!disk) return console.warn('not run: a small disk cannot be mounted here');
    web.folder = webWith('11.1.0');
    const seat = copySeat(fresh, join(disk.dir, 'seat'));
    try {
      await seat.startApplication();
      disk.fill(20_000_000);
      const check = await seat.lastcall('update', 'check');
      expect(check.text).toContain('this computer cannot take 11.1.0: free bytes for the download');
      disk.empty();
      web.holdAfter = 512 * 1024;
      const { child, ask, tell } = seat.drive();
      tell({ do: 'begin' });
      await child.until(/"step":"download","done":[5-9]\d{5},/, 30_000);
      disk.fill(300_000);
      web.holdAfter = undefined;
      await child.until(/"phase":"paused".*"reason":"DISK_FULL"/, 30_000);
      expect([seat.version(), await seat.alive()]).toEqual(['11.0.0', '11.0.0']);
      expect(await ask({ do: 'restart', when: 'now' })).toMatchObject({ reason: 'NOT_READY' });
      await child.stop();
      disk.empty();
      expect(await seat.lastcall('update', 'now', '--yes')).toMatchObject({ code: 0 });
      expect(await seat.alive()).toBe('11.1.0');
    } finally {
      await seat.stopApplication();
      disk.unmount();
    }
  }, 180_000);
});

/** `LASTCALL_TEST_SEAT_KILLS=all` kills at each step; otherwise at those where most hangs on it. */
const ALL = process.env['LASTCALL_TEST_SEAT_KILLS'] === 'all';
const THERE = ALL
  ? ['backup', 'prove', 'seal', 'verify', 'stop', 'swap', 'migrate', 'start', 'health']
  : ['seal', 'swap', 'migrate'];
const BACK = ALL ? ['stop', 'swap', 'restore', 'start', 'health'] : ['restore'];

describe('killed with SIGKILL', () => {
  let ready: Seat;
  let readyForBroken: Seat;
  /** Downloaded, and used since. */
  async function readySeat(newest: string): Promise<Seat> {
    const seat = await seatWith(newest);
    expect(await seat.lastcall('update', 'now', '--yes', '--restart', 'later')).toMatchObject({ code: 0 });
    await seat.book('9-9');
    await seat.stopApplication();
    return seat;
  }
  beforeAll(async () => {
    ready = await readySeat('11.1.0');
    readyForBroken = await readySeat('11.2.0');
  }, 180_000);

  async function killedAt(from: Seat, phase: string, step: string): Promise<Seat> {
    const seat = copySeat(from, join(folder.path, `killed-${phase}-${step}`));
    seats.push(seat);
    await seat.startApplication();
    const { child, tell } = seat.drive();
    tell({ do: 'restart', when: 'now' });
    await child.until(new RegExp(`"phase":"${phase}"`), 60_000);
    const from_ = child.lines.length;
    await until(() => child.lines.slice(from_ - 1).some((l) => l.includes(`"step":"${step}"`)), `${phase} ${step}`);
    child.kill('SIGKILL');
    await child.exited;
    return seat;
  }

  it('in the download, it goes on where it was', async () => {
    const seat = await seatWith('11.1.0');
    web.holdAfter = 1024 * 1024;
    const killed = seat.drive();
    killed.tell({ do: 'begin' });
    await killed.child.until(/"step":"download","done":1\d{6}/, 30_000);
    killed.child.kill('SIGKILL');
    await killed.child.exited;
    web.holdAfter = undefined;
    web.blobBytes = 0;
    expect(await seat.lastcall('update', 'now', '--yes')).toMatchObject({ code: 0 });
    expect(web.blobBytes).toBeLessThan(1.2 * 1024 * 1024);
    expect([seat.version(), await seat.alive()]).toEqual(['11.1.0', '11.1.0']);
  }, 180_000);

  it.each(THERE)(
    'at %s of the restart, the next start brings the new version',
    async (step) => {
      const phase = ['backup', 'prove', 'seal'].includes(step) ? 'saving' : 'installing';
      const seat = await killedAt(ready, phase, step);
      expect(await seat.agent('seat', 'at-start')).toMatchObject({ code: 0, text: expect.stringMatching(/updated 11\.1\.0$/) }); // prettier-ignore
      expect([seat.version(), await seat.alive()]).toEqual(['11.1.0', '11.1.0']);
      expect(seat.data()).toEqual({ schema: 2, seats: ['1-1', '9-9'] });
      expect(await seat.status()).toMatchObject({ phase: 'resting', last: { result: 'updated' } });
      expect(backups(seat)).toHaveLength(1);
    },
    180_000,
  );

  it.each(BACK)(
    'at %s of the way back, the next start brings the old version and its data',
    async (step) => {
      const seat = await killedAt(readyForBroken, 'going-back', step);
      expect(await seat.agent('seat', 'at-start')).toMatchObject({ code: 0, text: expect.stringMatching(/gone-back 11\.2\.0$/) }); // prettier-ignore
      expect([seat.version(), await seat.alive()]).toEqual(['11.0.0', '11.0.0']);
      expect(seat.data()).toEqual({ schema: 1, seats: ['1-1', '9-9'] });
      expect(await seat.status()).toMatchObject({ phase: 'resting', last: { result: 'gone-back' } });
    },
    180_000,
  );
});
