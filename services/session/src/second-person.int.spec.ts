import { msToDuration, sessionV1 } from '@lastcall/contracts';
import { MINUTE_MS } from '@lastcall/kernel';
import { CallError } from '@lastcall/sdk';
import { startStack, type Stack } from '@lastcall/testkit';
import { sessionModule } from './service.js';
import { eventually } from './testing/eventually.js';
import { INSTALLATION, installationChanged, withoutTerminalServers } from './testing/run-events.js';
import { GATE, openSite, PARENT, SITE_SETTINGS, type Site } from './testing/site.js';

/* The gate and the logoff where two people have to agree; who may do what with a request is in the runtime's tests. */

const { hosts } = withoutTerminalServers();
const { GateState } = sessionV1;

describe('with a second person', () => {
  let site: Stack & Site;
  beforeEach(async () => {
    site = await openSite(await startStack({ modules: [sessionModule], settings: SITE_SETTINGS }));
  });
  afterEach(() => site.stop());

  async function needs(...actions: string[]): Promise<void> {
    const reactionTime = msToDuration(MINUTE_MS);
    const changed = installationChanged({ reactionTime, secondPerson: { actions, validFor: undefined } });
    const source = `catalog/installations/${INSTALLATION}`;
    const { sequence } = await site.publish('InstallationChanged', INSTALLATION, changed, source);
    await eventually(async () => (await site.documents.gates.get(INSTALLATION))?.data.facts?.sequence === sequence);
  }
  const close = (reactionMs?: number) => {
    const reactionTime = reactionMs === undefined ? undefined : msToDuration(reactionMs);
    return site.operator().closeGate({ name: GATE, reason: 'Fire drill.', reactionTime });
  };
  const open = () => site.operator().openGate({ name: GATE, reason: 'Over.' });
  const waiting = (call: Promise<unknown>): Promise<string> =>
    call.then(
      () => 'done',
      (error: unknown) => (error instanceof CallError ? `${error.reason} ${error.facts['action']}` : String(error)),
    );
  async function approve(): Promise<void> {
    const { approvals } = await site.operator().listApprovals({ parent: PARENT, pageSize: 0, pageToken: '' });
    const approver = site.client(sessionV1.SessionServiceService, 'approver', INSTALLATION);
    await approver.grantApproval({ name: approvals[0]?.name ?? '' });
  }

  it('the gate is shut and opened by two', async () => {
    await needs('gate');
    expect(await waiting(close())).toBe('SECOND_PERSON_NEEDED gate');
    expect((await site.gate()).state).toBe(GateState.OPEN);
    await approve();
    expect((await site.gate()).state).not.toBe(GateState.OPEN);
    expect(JSON.stringify((await site.documents.gates.get(INSTALLATION))?.data.gate)).toContain(
      'operator, approved by approver',
    );
    expect(await waiting(open())).toBe('SECOND_PERSON_NEEDED gate');
    expect((await site.gate()).state).not.toBe(GateState.OPEN);
    await approve();
    expect((await site.gate()).state).toBe(GateState.OPEN);
  });

  it('less time than usual is a logoff by force, and the usual one is not', async () => {
    await needs('logoff');
    expect(await waiting(close(MINUTE_MS - 1_000))).toBe('SECOND_PERSON_NEEDED logoff');
    expect(await waiting(close(0))).toBe('SECOND_PERSON_NEEDED logoff');
    expect((await site.gate()).state).toBe(GateState.OPEN);
    expect(await waiting(close())).toBe('done');
    expect(await waiting(open())).toBe('done');
  });

  it('a hold of a user is ended by two', async () => {
    await needs('logoff');
    const { client: ann } = await site.attached({ user: 'ann' });
    await site.shutFor({ hosts, holdsAllowed: true, reactionTimeMs: 60_000 });
    await ann.until('notice');
    ann.say({ $case: 'hold', value: { reason: 'Month-end posting.', duration: msToDuration(20 * MINUTE_MS) } });
    await ann.until('holdDecision');
    const listed = async () => (await site.operator().listHolds({ parent: PARENT, pageSize: 0, pageToken: '' })).holds;
    const [hold] = await listed();
    const release = (name: string) => site.operator().releaseHold({ name, reason: 'It must be now.' });
    expect(await waiting(release(hold?.name ?? ''))).toBe('SECOND_PERSON_NEEDED logoff');
    expect(await waiting(release(`${PARENT}/holds/h-none`))).toMatch(/^NOT_FOUND/);
    expect(await listed()).toHaveLength(1);
    await approve();
    expect(await listed()).toEqual([]);
  });
});
