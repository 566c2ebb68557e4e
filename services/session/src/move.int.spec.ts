import { sessionV1 } from '@lastcall/contracts';
import { CODE, openChannel } from '@lastcall/sdk';
import { describeWith, startStack, until, type Stack } from '@lastcall/testkit';
import { AttachClient } from './testing/attach-client.js';
import { startPair, type Backing, type Pair } from './testing/pair.js';
import { cancelled, INSTALLATION, stagingCompleted, withoutTerminalServers } from './testing/run-events.js';

/*
 * A replica that stops: its clients go to the other one, spread over time, and nobody is lost, logged in twice or told twice.
 */

const { EndReason } = sessionV1;
const PARENT = `installations/${INSTALLATION}`;
const USERS = 60;
/** For ten thousand: sixty go within a tenth of a second for each ten seconds of it. */
const MOVE_MS = 200_000;

function suite(backing: Backing): void {
  let pair: Pair<Stack>;

  beforeEach(async () => {
    pair = await startPair(startStack, { backing, settings: { moveMs: MOVE_MS } });
  });
  afterEach(() => pair.stop());

  const count = async (): Promise<number> => (await pair.operator(pair.first).countSessions({ parent: PARENT })).count;

  it('asks its clients to move, evenly, and lets nobody in meanwhile', async () => {
    const inside = await Promise.all(
      Array.from({ length: USERS }, (_, i) => pair.attached(pair.second, { user: `user-${i}` })),
    );
    const run = withoutTerminalServers({ reactionTimeMs: 60_000 });
    await pair.first.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    const told = await Promise.all(inside.map(({ client }) => client.until('notice')));
    // Opened before the stop: the server takes no new connections at its end.
    const late = pair.attach(pair.second);
    await late.until('refused');

    const stopped = pair.second.stop({ keep: true });
    const back = await Promise.all(
      inside.map(async ({ client, welcome }, i) => {
        expect(await client.until('ended')).toMatchObject({ reason: EndReason.MOVE, comeBack: true });
        const again = pair.attach(pair.first, { user: `user-${i}`, resumeToken: welcome.resumeToken });
        return { client: again, welcome: await again.until('welcome') };
      }),
    );
    await stopped;

    // All of them, as who they were, with the notice that they have already.
    expect(back.map(({ welcome }) => welcome.session)).toEqual(inside.map(({ welcome }) => welcome.session));
    expect(back.every(({ welcome }) => welcome.notice?.notice === told[0]?.notice)).toBe(true);
    await until(async () => (await count()) === USERS, 'all of them to be inside');
    const times = inside.map(({ client }) => client.heard.find(({ message }) => message.$case === 'ended')?.at ?? 0);
    times.sort((a, b) => a - b);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual((MOVE_MS * USERS) / 10_000 / 2);
    for (const { client } of back) expect(client.count('notice')).toBe(0);

    // The drain goes on with exact numbers.
    for (const { client } of back) client.say({ $case: 'goodbye', value: {} });
    const { message } = await pair.first.seen('SessionsDrained', (m) => m.run?.run === run.run, 20_000);
    expect(message.summary).toMatchObject({ told: USERS, left: USERS, ended: 0, lost: 0 });
    await pair.first.publish('RunCancelled', INSTALLATION, cancelled(run));
    await pair.first.seen('GateReopened');
  });

  it('sends who comes while it stops to another one', async () => {
    const inside = await Promise.all(
      Array.from({ length: USERS }, (_, i) => pair.attached(pair.second, { user: `user-${i}` })),
    );
    const credential = pair.second.token('client', INSTALLATION);
    const channel = openChannel({ address: pair.second.grpcAddress, credential: () => credential });
    const silent = new AttachClient(channel);
    // On the same connection: when this one is in, the other has arrived.
    await new AttachClient(channel, { user: 'one-more' }).until('welcome');
    const stopped = pair.second.stop({ keep: true });
    await Promise.race(inside.map(({ client }) => client.until('ended')));
    expect(await silent.ended).toMatchObject({ code: CODE.unavailable });
    expect(silent.heard).toEqual([]);
    const late = new AttachClient(channel, { user: 'late' });
    expect(await late.ended).toMatchObject({ code: CODE.unavailable });
    expect(inside.some(({ client }) => client.count('ended') === 0)).toBe(true);
    channel.close();
    await stopped;
    expect(await count()).toBe(USERS + 1);
  });

  it('leaves the sessions of those who do not come back until their grace is over', async () => {
    const { welcome } = await pair.attached(pair.second, { user: 'ann' });
    await pair.second.stop({ keep: true });
    expect(await count()).toBe(1);
    expect(await pair.list(pair.first)).toMatchObject([{ user: 'ann', lost: true }]);
    const { welcome: again, client } = await pair.attached(pair.first, {
      user: 'ann',
      resumeToken: welcome.resumeToken,
    });
    expect(again.session).toBe(welcome.session);
    expect(await pair.list(pair.first)).toMatchObject([{ user: 'ann', lost: false }]);
    client.say({ $case: 'goodbye', value: {} });
    await until(async () => (await count()) === 0, 'all of them to have left');
  });
}

describe('a replica that stops, embedded', () => suite('embedded'));
describeWith('mongodb', 'a replica that stops, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite('distributed'));
});
