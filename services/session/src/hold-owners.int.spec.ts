import { msToDuration } from '@lastcall/contracts';
import { MINUTE_MS } from '@lastcall/kernel';
import { describeWith, startStack, type Stack } from '@lastcall/testkit';
import type { AttachClient } from './testing/attach-client.js';
import { startPair, type Backing, type Pair } from './testing/pair.js';
import { INSTALLATION, stagingCompleted, withoutTerminalServers } from './testing/run-events.js';

/*
 * An owner of a hold who comes back while a second person thinks about it, or after that, at the same replica or another one: the
 * decision is said where the owner is.
 */

const PARENT = `installations/${INSTALLATION}`;
const SETTINGS = { sessionLeaseMs: 5_000, resumeGraceMs: 20_000 };

function suite(backing: Backing): void {
  let pair: Pair<Stack>;

  beforeEach(async () => {
    const policy = { holds: { needsApproval: true } };
    pair = await startPair(startStack, { backing, settings: SETTINGS, policy });
  });
  afterEach(() => pair.stop());

  const decision = (client: AttachClient) => client.until('holdDecision', ({ awaitsApproval }) => !awaitsApproval);
  const operator = () => pair.operator(pair.first);

  /** Ann has asked at the first replica. */
  async function asked(): Promise<{ client: AttachClient; resumeToken: string; hold: string; name: string }> {
    const { client, welcome } = await pair.attached(pair.first, { user: 'ann' });
    await pair.attached(pair.first, { user: 'bob' });
    const run = withoutTerminalServers({ reactionTimeMs: 60_000, holdsAllowed: true });
    await pair.first.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    await client.until('notice');
    client.say({ $case: 'hold', value: { reason: 'Month-end posting.', duration: msToDuration(20 * MINUTE_MS) } });
    const { hold, awaitsApproval } = await client.until('holdDecision');
    expect(awaitsApproval).toBe(true);
    return { client, resumeToken: welcome.resumeToken, hold, name: `${PARENT}/holds/${hold}` };
  }

  it.each(['first', 'second'] as const)('hears it at the %s replica when it is made after that', async (where) => {
    const { client, resumeToken, hold, name } = await asked();
    client.cut();
    const { client: back } = await pair.attached(pair[where], { user: 'ann', resumeToken });
    await operator().approveHold({ name });
    expect(await decision(back)).toMatchObject({ granted: true, hold });
    expect(back.count('holdDecision')).toBe(1);
  });

  it.each(['first', 'second'] as const)('hears it at the %s replica when it was made before that', async (where) => {
    const { client, resumeToken, hold, name } = await asked();
    client.cut();
    await operator().releaseHold({ name, reason: 'Not today.' });
    const { client: back } = await pair.attached(pair[where], { user: 'ann', language: 'de', resumeToken });
    expect(await decision(back)).toMatchObject({
      granted: false,
      hold,
      text: 'Niemand hat zugestimmt; die Abmeldung bleibt, wie sie ist.',
    });
  });
}

describe('owners of holds, embedded', () => suite('embedded'));
describeWith('mongodb', 'owners of holds, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite('distributed'));
});
