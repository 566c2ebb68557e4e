import { commonV1, msToDuration, sessionV1 } from '@lastcall/contracts';
import { MINUTE_MS, SECOND_MS } from '@lastcall/kernel';
import { CODE } from '@lastcall/sdk';
import { describeWith, type Stack, type StackOptions, startStack } from '@lastcall/testkit';
import { sessionModule } from './service.js';
import type { AttachClient } from './testing/attach-client.js';
import { cancelled, INSTALLATION, withoutTerminalServers } from './testing/run-events.js';
import { aboutRun, PARENT, openSite, SITE_SETTINGS, type Site } from './testing/site.js';

/*
 * "Not now": within the limits of the installation, with a second person where one is wanted, never longer than its owner is there, and
 * a run that does not fit its window any more is postponed.
 */

const { NoticeKind } = sessionV1;
const { hosts } = withoutTerminalServers();
const LATER = { hosts, holdsAllowed: true, reactionTimeMs: 60_000 };

async function start(options: Omit<StackOptions, 'modules'>): Promise<Stack & Site> {
  const settings = { ...SITE_SETTINGS, ...options.settings };
  return openSite(await startStack({ modules: [sessionModule], ...options, settings }));
}

function suite(options: Omit<StackOptions, 'modules'>): void {
  let site: Stack & Site;

  beforeEach(async () => {
    site = await start(options);
  });
  afterEach(() => site.stop());

  function ask(client: AttachClient, minutes: number, reason = 'Month-end posting.'): void {
    client.say({ $case: 'hold', value: { reason, duration: msToDuration(minutes * MINUTE_MS) } });
  }
  const listed = async () => (await site.operator().listHolds({ parent: PARENT, pageSize: 0, pageToken: '' })).holds;
  const moved = (client: AttachClient) => client.until('notice', ({ kind }) => kind === NoticeKind.DEADLINE_MOVED);

  it('waits for a second person, who sees it live, and tells its owner', async () => {
    await site.setPolicy({ holds: { needsApproval: true } });
    const [{ client: ann }, { client: bob }] = [
      await site.attached({ user: 'ann' }),
      await site.attached({ user: 'bob' }),
    ];
    const run = await site.shutFor(LATER);
    const notice = await ann.until('notice');
    ask(ann, 20);
    expect(await ann.until('holdDecision')).toMatchObject({ granted: false, awaitsApproval: true });
    const [waiting] = await listed();
    expect(waiting).toMatchObject({ user: 'ann', reason: 'Month-end posting.', awaitsApproval: true, approvedBy: '' });
    expect((await site.gate()).notice?.deadline).toEqual(notice.deadline);

    const name = waiting?.name ?? '';
    const by = (role: 'viewer' | 'approver') => site.client(sessionV1.SessionServiceService, role, INSTALLATION);
    await expect(by('viewer').approveHold({ name })).rejects.toMatchObject({ code: CODE.permissionDenied });
    const { hold } = await by('approver').approveHold({ name });
    expect(hold).toMatchObject({ awaitsApproval: false, approvedBy: 'approver' });
    const decided = await ann.until('holdDecision', ({ awaitsApproval }) => !awaitsApproval);
    expect(decided).toMatchObject({ granted: true, expiresAt: hold?.expiresAt });
    expect(await moved(bob)).toMatchObject({ deadline: hold?.expiresAt });
    expect(await listed()).toEqual([hold]);

    const none = `${PARENT}/holds/h-aaaaaaaaaaaaaaaa`;
    await expect(by('approver').approveHold({ name: none })).rejects.toMatchObject({ code: CODE.notFound });
    await site.publish('RunCancelled', INSTALLATION, cancelled(run));
    await site.seen('GateReopened', aboutRun(run));
  });

  it('tells its owner when nobody agreed', async () => {
    await site.setPolicy({ holds: { needsApproval: true } });
    const { client } = await site.attached();
    await site.shutFor(LATER);
    await client.until('notice');
    ask(client, 20);
    await client.until('holdDecision', ({ awaitsApproval }) => awaitsApproval);
    const [waiting] = await listed();
    await site.operator().releaseHold({ name: waiting?.name ?? '', reason: 'Not today.' });
    const decided = await client.until('holdDecision', ({ awaitsApproval }) => !awaitsApproval);
    expect(decided).toMatchObject({ granted: false });
    expect(client.count('notice')).toBe(1);
  });

  it('is no longer than the installation allows, and one of so many', async () => {
    await site.setPolicy({ holds: { longest: msToDuration(10 * MINUTE_MS), maxCount: 1 } });
    const { client } = await site.attached();
    await site.shutFor(LATER);
    await client.until('notice');
    const before = Date.now();
    ask(client, 120);
    const { expiresAt } = await client.until('holdDecision');
    expect(expiresAt?.getTime()).toBeLessThan(before + 10 * MINUTE_MS + 10 * SECOND_MS);
    ask(client, 240);
    const second = await client.until('holdDecision', ({ granted }) => !granted);
    expect(second.text).toContain('limit of 1 holds');
  });

  it('ends with its owner’s session; the others have the whole reaction time again', async () => {
    const [{ client: ann }, { client: bob }] = [
      await site.attached({ user: 'ann' }),
      await site.attached({ user: 'bob' }),
    ];
    await site.shutFor({ ...LATER, reactionTimeMs: 20_000 });
    await bob.until('notice');
    ask(ann, 20);
    const longer = await moved(bob);
    const before = Date.now();
    ann.say({ $case: 'goodbye', value: {} });
    const back = await bob.until(
      'notice',
      ({ notice, kind }) => kind === NoticeKind.DEADLINE_MOVED && notice !== longer.notice,
    );
    expect(back.deadline?.getTime()).toBeLessThan(longer.deadline?.getTime() ?? 0);
    expect(back.deadline?.getTime()).toBeGreaterThan(before + 19_000);
    expect(await listed()).toEqual([]);
  });

  it('does not outlive a session that ends while it is decided on', async () => {
    const { client: ann } = await site.attached({ user: 'ann' });
    await site.attached({ user: 'bob' });
    await site.shutFor(LATER);
    await ann.until('notice');
    ask(ann, 20);
    ann.say({ $case: 'goodbye', value: {} });
    await site.gateUntil((gate) => gate.phase === 'closing' && gate.holdsGranted === 1 && gate.holds.length === 0);
  });

  it('postpones a run that does not fit its window any more, and tells everybody', async () => {
    const { client } = await site.attached();
    const run = await site.shutFor({ ...LATER, deadlineAt: Date.now() + 15 * MINUTE_MS });
    const { notice } = await client.until('notice');
    ask(client, 20);
    expect(await client.until('holdDecision')).toMatchObject({ granted: true, awaitsApproval: false });
    const { message: failed } = await site.seen('DrainFailed', aboutRun(run));
    expect(failed.failure?.reason).toBe('POSTPONED_BY_HOLDS');
    const { message } = await site.seen('GateReopened', aboutRun(run));
    expect(message).toMatchObject({ outcome: commonV1.RunOutcome.POSTPONED, version: '11.0.0' });
    expect((await client.until('noticeWithdrawn')).notice).toBe(notice);
    expect(await client.until('notice', ({ kind }) => kind === NoticeKind.POSTPONED)).toMatchObject({
      version: '11.1.0',
    });
    expect(client.count('ended')).toBe(0);
    const { welcome } = await site.attached({ user: 'bob' });
    expect(welcome.notice?.kind).toBe(NoticeKind.POSTPONED);
  });
}

describe('holds, embedded', () => suite({}));
describeWith('mongodb', 'holds, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite({ store: 'mongodb', bus: 'nats' }));
});
