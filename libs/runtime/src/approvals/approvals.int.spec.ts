import { catalogV1, approvalV1, sessionV1 } from '@lastcall/contracts';
import {
  createManualClock,
  DAY_MS,
  Fault,
  invalid,
  isRejected,
  MINUTE_MS,
  reject,
  RejectedError,
} from '@lastcall/kernel';
import { openStore, type Store } from '@lastcall/store';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../logging.js';
import type { AuditedCall } from '../operations/audit-trail.js';
import type { RpcContext } from '../service.js';
import { createApprovals, type Approvals } from './approvals.js';
import { neededBy, parseRule } from './rule.js';

/* Requests for a second person in a real store, with a clock of the test. The action is one that counts how often it was done. */

const PARENT = 'installations/berlin';
const METHOD = sessionV1.SessionServiceService.openGate;
const { ApprovalState } = approvalV1;

describe('actions that need two', () => {
  const clock = createManualClock();
  const rule = { actions: ['gate'], validMs: 10 * MINUTE_MS };
  let dir: string;
  let store: Store;
  let approvals: Approvals;
  let audited: AuditedCall[];
  /** As whom it was done, each time. */
  let done: string[];
  let fails: Error | undefined;
  let open: ReturnType<typeof guard>;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'lastcall-approvals-'));
    store = await openStore({ url: '', file: join(dir, 's.db'), service: 'session', database: '', clock });
    [audited, done, fails] = [[], [], undefined];
    approvals = await createApprovals({
      store,
      log: createLogger('silent'),
      audit: async (call) => void audited.push(call),
    });
    open = guard();
  });
  afterEach(async () => {
    await store.close();
    rmSync(dir, { recursive: true });
  });

  function guard() {
    return approvals.guard(METHOD, async ({ name, reason }) => {
      if (reason === '') return invalid([{ field: 'reason', description: 'is empty' }]);
      const [, installation = ''] = name.split('/');
      return {
        ...{ installation, action: neededBy(rule, 'logoff', 'gate'), rule, reason },
        perform: async (who) => {
          done.push(who);
          if (fails) throw fails;
          return { gate: undefined };
        },
      };
    });
  }
  const as = (subject: string): RpcContext => ({
    principal: { subject, role: 'operator', token: 't' },
    signal: new AbortController().signal,
    peer: '',
  });
  const ask = (who: string, reason = 'Because.', name = `${PARENT}/gate`) => open({ name, reason }, as(who));
  async function left(who: string, reason?: string, name?: string): Promise<string> {
    const answer = await ask(who, reason, name);
    if (!isRejected(answer) || answer.reason !== 'SECOND_PERSON_NEEDED') throw new Error(JSON.stringify(answer));
    return `${(name ?? PARENT).split('/').slice(0, 2).join('/')}/approvals/${answer.facts['approval']}`;
  }
  const grant = (name: string, who = 'ben') => approvals.handlers.grantApproval({ name }, as(who));
  const reasonOf = (answer: unknown): string => (isRejected(answer) ? answer.reason : 'done');
  const list = async () => {
    const answer = await approvals.handlers.listApprovals({ parent: PARENT, pageSize: 0, pageToken: '' });
    if (isRejected(answer)) throw new RejectedError(answer);
    return answer.approvals;
  };

  it('are done once, by another person, with both names', async () => {
    const name = await left('anna');
    expect(await list()).toMatchObject([
      { name, action: 'gate', requestedBy: 'anna', reason: 'Because.', state: ApprovalState.WAITING, decidedBy: '' },
    ]);
    expect((await list())[0]?.request).toBe(`{"reason":"Because.","name":"${PARENT}/gate"}`);
    expect(reasonOf(await grant(name, 'anna'))).toBe('SAME_PERSON');
    expect(reasonOf(await grant(name, 'service:session'))).toBe('NOT_A_PERSON');
    expect(done).toEqual([]);
    const both = await Promise.all(['ben', 'carl', 'dora'].map((who) => grant(name, who)));
    expect(both.map(reasonOf).toSorted()).toEqual(['NOT_WAITING', 'NOT_WAITING', 'done']);
    expect(done).toEqual([expect.stringMatching(/^anna, approved by (ben|carl|dora)$/)]);
    expect(audited).toEqual([
      {
        actor: 'anna',
        method: METHOD.path,
        resource: name,
        reason: 'Because.',
        changes: expect.stringContaining('approvedBy'),
      },
    ]);
    expect(reasonOf(await grant(name))).toBe('NOT_WAITING');
    expect((await list())[0]).toMatchObject({ state: ApprovalState.CARRIED_OUT, outcome: '' });
  });

  it('do not wait when they are wrong, or are asked for twice in the same words', async () => {
    expect(reasonOf(await ask('anna', ''))).toBe('INVALID_ARGUMENT');
    expect(await list()).toEqual([]);
    const name = await left('anna');
    expect(await left('anna')).toBe(name);
    expect(await left('ben')).not.toBe(name);
    expect(await left('anna', 'Another reason.')).not.toBe(name);
    expect(await list()).toHaveLength(3);
  });

  it('are over when their time is, and may be asked for anew', async () => {
    const name = await left('anna');
    clock.advance(10 * MINUTE_MS);
    expect(reasonOf(await grant(name))).toBe('APPROVAL_EXPIRED');
    expect((await list())[0]).toMatchObject({ state: ApprovalState.EXPIRED, decidedBy: '' });
    expect(await left('anna')).not.toBe(name);
    expect(done).toEqual([]);
  });

  it('are refused, and taken back', async () => {
    const [one, two] = [await left('anna'), await left('anna', 'Again.')];
    const { refuseApproval } = approvals.handlers;
    expect(reasonOf(await refuseApproval({ name: one, reason: '' }, as('ben')))).toBe('INVALID_ARGUMENT');
    expect(await refuseApproval({ name: one, reason: 'Not now.' }, as('ben'))).toMatchObject({
      approval: { state: ApprovalState.REFUSED, decidedBy: 'ben', outcome: 'Not now.' },
    });
    await refuseApproval({ name: two, reason: 'My mistake.' }, as('anna'));
    expect([reasonOf(await grant(one)), reasonOf(await grant(two))]).toEqual(['NOT_WAITING', 'NOT_WAITING']);
    expect(done).toEqual([]);
  });

  it.each<[string, Error, RegExp]>([
    [
      'a rule says no',
      new RejectedError(reject('refused', 'INSTALLING', 'An install is running.')),
      /An install is running/,
    ],
    [
      'they break off',
      new Fault('the store at 10.0.0.7 is away'),
      /^it broke off, and whether it happened is not known/,
    ],
  ])('are not begun again when %s', async (_, error, outcome) => {
    fails = error;
    const name = await left('anna');
    expect(await grant(name)).toMatchObject({
      approval: { state: ApprovalState.FAILED, decidedBy: 'ben', outcome: expect.stringMatching(outcome) },
    });
    fails = undefined;
    expect(reasonOf(await grant(name, 'carl'))).toBe('NOT_WAITING');
    expect(done).toHaveLength(1);
  });

  it('are of their installation, and bounded in number', async () => {
    const other = await left('anna', 'Because.', 'installations/munich/gate');
    const id = other.split('/').at(-1) ?? '';
    expect(reasonOf(await grant(`${PARENT}/approvals/${id}`))).toBe('NOT_FOUND');
    expect(reasonOf(await grant(`${PARENT}/approvals/ap-nothing`))).toBe('NOT_FOUND');
    expect(await list()).toEqual([]);
    for (let i = 0; i < 50; i++) await left('anna', `Reason ${i}.`);
    expect(reasonOf(await ask('anna', 'One more.'))).toBe('TOO_MANY_APPROVALS');
    expect((await list()).length).toBe(50);
  });

  it('show what is long shortened, and nothing else less', async () => {
    await left('anna', 'x'.repeat(4_000));
    const [found] = await list();
    expect(found?.reason).toHaveLength(1_000);
    expect(found?.request).toMatch(/^\{"name":"installations\/berlin\/gate","reason":"x{300}…"\}$/);
  });

  it('are forgotten after 90 days', async () => {
    await left('anna');
    clock.advance(91 * DAY_MS);
    const kept = await left('ben');
    await approvals.duty.runOnce(new AbortController().signal);
    expect((await list()).map((a) => a.name)).toEqual([kept]);
  });

  it('are not those that the installation does not name', () => {
    expect(neededBy(undefined, 'gate')).toBeUndefined();
    expect(neededBy(parseRule(catalogV1.SecondPerson.fromPartial({ actions: ['logoff'] })), 'gate')).toBeUndefined();
    expect(parseRule(catalogV1.SecondPerson.fromPartial({ actions: [] })).validMs).toBe(3_600_000);
  });
});
