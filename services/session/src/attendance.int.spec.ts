import { sessionV1 } from '@lastcall/contracts';
import { describeWith, startStack, until, type Stack } from '@lastcall/testkit';
import type { AttachClient } from './testing/attach-client.js';
import { startPair, type Backing, type Pair } from './testing/pair.js';
import { cancelled, INSTALLATION, runSpec, stagingCompleted, withoutTerminalServers } from './testing/run-events.js';

/*
 * What became of each user of a logoff, put together from two replicas; and the list of sessions, which knows of both.
 */

const { Departure } = sessionV1;
const PARENT = `installations/${INSTALLATION}`;

function suite(backing: Backing): void {
  let pair: Pair<Stack>;

  beforeEach(async () => {
    pair = await startPair(startStack, { backing });
  });
  afterEach(() => pair.stop());

  async function attendanceOf(run: string, pageSize = 0): Promise<sessionV1.Attendance[]> {
    const all: sessionV1.Attendance[] = [];
    let pageToken = '';
    do {
      const page = await pair.operator(pair.first).listAttendance({ parent: PARENT, run, pageSize, pageToken });
      all.push(...page.attendance);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return all;
  }

  const byUser = (all: sessionV1.Attendance[], user: string) => all.find((one) => one.user === user);

  it('says who was told, received, read and how each one left, when the drain is said to be over', async () => {
    const doors = [pair.first, pair.second];
    const users = ['left', 'ready', 'reader', 'deaf', 'lost', 'roamer'];
    const inside = await Promise.all(
      users.map((user, i) => pair.attached(doors[i % 2]!, { user, displayName: user.toUpperCase(), host: `ws${i}` })),
    );
    const of = (user: string): AttachClient => inside[users.indexOf(user)]!.client;
    const run = withoutTerminalServers({ reactionTimeMs: 2_500 });
    await pair.first.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    const notices = await Promise.all(inside.map(({ client }) => client.until('notice')));
    const notice = notices[0]!.notice;
    expect(new Set(notices.map((one) => one.notice)).size).toBe(1);

    of('reader').say({ $case: 'acknowledgement', value: { notice, read: false } });
    of('reader').acknowledge(notice);
    of('left').say({ $case: 'acknowledgement', value: { notice, read: false } });
    of('left').say({ $case: 'goodbye', value: {} });
    of('ready').say({ $case: 'ready', value: {} });
    of('lost').cut();
    // One goes on at the other replica, and is one and the same.
    const { welcome } = inside[users.indexOf('roamer')]!;
    const roamer = pair.attach(pair.first, { user: 'roamer', host: 'ws5', resumeToken: welcome.resumeToken });
    expect((await roamer.until('welcome')).notice?.notice).toBe(notice);
    roamer.acknowledge(notice);

    const { message, envelope } = await pair.first.seen('SessionsDrained', (m) => m.run?.run === run.run, 20_000);
    const all = await attendanceOf(run.run);
    expect(all.map(({ user }) => user).sort()).toEqual([...users].sort());
    expect(byUser(all, 'left')).toMatchObject({ displayName: 'LEFT', host: 'ws0', departure: Departure.LEFT });
    expect(byUser(all, 'ready')).toMatchObject({ departure: Departure.READY, readTime: undefined });
    expect(byUser(all, 'ready')?.readyTime).toEqual(byUser(all, 'ready')?.endTime);
    expect(byUser(all, 'reader')?.departure).toBe(Departure.DEADLINE);
    expect(byUser(all, 'deaf')).toMatchObject({ departure: Departure.DEADLINE, receivedTime: undefined });
    expect(byUser(all, 'lost')?.departure).toBe(Departure.LOST);
    expect(byUser(all, 'roamer')).toMatchObject({ session: welcome.session, departure: Departure.DEADLINE });
    expect(byUser(all, 'roamer')?.readTime).toBeDefined();
    for (const { sentTime, receivedTime, readTime, endTime } of all) {
      const times = [sentTime, receivedTime, readTime, endTime].filter((time) => time !== undefined);
      expect(times).toEqual([...times].sort((a, b) => a.getTime() - b.getTime()));
      expect(sentTime).toBeDefined();
      expect(endTime?.getTime()).toBeLessThanOrEqual(envelope.time);
    }
    expect(message.summary).toMatchObject({ told: 6, acknowledged: 3, read: 2, left: 2, ready: 1, ended: 3, lost: 1 });
    // Page by page it is the same.
    expect(await attendanceOf(run.run, 2)).toEqual(all);
    await pair.first.publish('RunCancelled', INSTALLATION, cancelled(run));
    await pair.first.seen('GateReopened');
  });

  it('knows nothing of users who were not meant, and nothing of other runs', async () => {
    const { client } = await pair.attached(pair.second, { user: 'ann' });
    const run = withoutTerminalServers({ reactionTimeMs: 60_000 });
    await pair.first.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    await client.until('notice');
    await until(async () => (await attendanceOf(run.run)).length === 1, 'the attendance to be written');
    await pair.first.publish('RunCancelled', INSTALLATION, cancelled(run));
    await client.until('noticeWithdrawn');
    client.say({ $case: 'goodbye', value: {} });
    await client.ended;
    // Who leaves after the run was cancelled did not leave because of it.
    const [only, ...others] = await attendanceOf(run.run);
    expect([only?.departure, only?.endTime, others]).toEqual([Departure.UNSPECIFIED, undefined, []]);
    expect(await attendanceOf(runSpec().run)).toEqual([]);
    await expect(
      pair.operator(pair.first).listAttendance({ parent: PARENT, run: run.run, pageSize: 0, pageToken: 'x' }),
    ).rejects.toMatchObject({ violations: [{ field: 'page_token' }] });
  });

  it('lists every session once, wherever it is, with its state of this moment', async () => {
    const run = withoutTerminalServers({ reactionTimeMs: 60_000 });
    const { client: ann } = await pair.attached(pair.first, { user: 'ann', host: 'ws1' });
    const { client: bob, welcome } = await pair.attached(pair.second, { user: 'bob', host: 'ws1' });
    await pair.attached(pair.second, { user: 'bob', host: 'ws2' });
    await pair.first.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    const { notice } = await bob.until('notice');
    await ann.until('notice');
    bob.say({ $case: 'acknowledgement', value: { notice, read: false } });
    ann.acknowledge(notice);
    const of = async (user: string, host = ''): Promise<object | undefined> => {
      const [found] = await pair.list(pair.first, { user, host });
      return found && { acknowledged: found.acknowledged, read: found.read, lost: found.lost };
    };
    const shows = (user: string, host: string, wanted: object): Promise<void> =>
      until(
        async () => JSON.stringify(await of(user, host)) === JSON.stringify(wanted),
        `${user} to be shown as it is`,
      );
    await shows('ann', 'ws1', { acknowledged: true, read: true, lost: false });
    await shows('bob', 'ws1', { acknowledged: true, read: false, lost: false });
    await shows('bob', 'ws2', { acknowledged: false, read: false, lost: false });

    const before = Date.now();
    bob.say({ $case: 'heartbeat', value: {} });
    await bob.until('heartbeat');
    const [seen] = await pair.list(pair.first, { user: 'bob', host: 'ws1' });
    expect(seen?.lastSeenTime?.getTime()).toBeGreaterThanOrEqual(before - 100);

    bob.cut();
    await shows('bob', 'ws1', { acknowledged: true, read: false, lost: true });
    const { client: back } = await pair.attached(pair.first, {
      user: 'bob',
      host: 'ws1',
      resumeToken: welcome.resumeToken,
    });
    await shows('bob', 'ws1', { acknowledged: true, read: false, lost: false });
    expect(await pair.list(pair.second, { host: 'ws1' })).toHaveLength(2);
    expect(await pair.list(pair.second, { pageSize: 1 })).toHaveLength(3);
    back.say({ $case: 'goodbye', value: {} });
    await until(
      async () => (await pair.list(pair.second, { user: 'bob', host: 'ws1' })).length === 0,
      'bob to be gone',
    );
    await pair.first.publish('RunCancelled', INSTALLATION, cancelled(run));
    await pair.first.seen('GateReopened');
  });
}

describe('attendance, embedded', () => suite('embedded'));
describeWith('mongodb', 'attendance, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite('distributed'));
});
