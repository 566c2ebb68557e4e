import { describeWith, startStack, type Stack } from '@lastcall/testkit';
import { sessionModule } from './service.js';
import type { AttachClient } from './testing/attach-client.js';
import { startPair, type Pair } from './testing/pair.js';
import { INSTALLATION } from './testing/run-events.js';

/*
 * Messages that follow each other so fast that replicas look at the gate once for several of them: each user is told each one once, in
 * their order.
 */

const PARENT = `installations/${INSTALLATION}`;
const SETTINGS = { sessionLeaseMs: 5_000, resumeGraceMs: 20_000 };
const ROUNDS = 5;

describeWith('mongodb', 'messages at three replicas, MongoDB', () => {
  describeWith('nats', 'and NATS', () => {
    let pair: Pair<Stack>;
    let third: Stack;

    beforeAll(async () => {
      pair = await startPair(startStack, { backing: 'distributed', settings: SETTINGS });
      const { prefix } = pair.first;
      third = await startStack({ modules: [sessionModule], settings: SETTINGS, bus: 'nats', store: 'mongodb', prefix });
    });
    afterAll(async () => {
      await third.stop({ keep: true });
      await pair.stop();
    });

    const replicas = () => [pair.first, pair.second, third];
    const send = async (replica: Stack, text: string): Promise<string> =>
      (await pair.operator(replica).sendNotice({ parent: PARENT, text })).notice?.notice ?? '';
    const told = ({ heard }: AttachClient) =>
      heard.flatMap(({ message }) => (message.$case === 'notice' ? [message.value.notice] : []));

    it('are all told, also to somebody who comes back between them', async () => {
      const inside = await Promise.all(replicas().map((replica, i) => pair.attached(replica, { user: `user-${i}` })));
      const { client: away, welcome } = await pair.attached(pair.second, { user: 'away' });
      away.cut();
      const sent: string[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        sent.push(...(await Promise.all(replicas().map((replica, i) => send(replica, `${round}-${i}`)))));
      }
      const { resumeToken } = welcome;
      const { client: back, welcome: again } = await pair.attached(third, { user: 'away', resumeToken });
      const last = await send(pair.first, 'the last one');
      for (const client of [...inside.map((one) => one.client), back]) {
        await client.until('notice', ({ notice }) => notice === last);
      }
      const expected = new Set([...sent, last]);
      expect(expected.size).toBe(3 * ROUNDS + 1);
      const [first = []] = inside.map(({ client }) => told(client));
      for (const { client } of inside) {
        expect(told(client)).toHaveLength(expected.size);
        expect(new Set(told(client))).toEqual(expected);
        expect(told(client)).toEqual(first);
      }
      // What was missed is in the welcome and after it.
      expect([again.notice?.notice, ...told(back)]).toEqual(first);
    });
  });
});
