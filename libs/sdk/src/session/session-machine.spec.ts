import fc from 'fast-check';
import { run } from '@lastcall/kernel';
import { ANSWER_MS, dueAt, SAVE_MS, sessionMachine, WAIT_MS } from './session-machine.js';
import type { SessionCommand, SessionEvent, SessionState } from './session-state.js';
import type { Incoming, NoticeView, Refusal } from './session-words.js';

const NOW = 1_000_000;
const moment = { now: NOW, random: 0.5 };
const notice = (id: string, more: Partial<NoticeView> = {}): NoticeView => ({
  id,
  kind: 'logoff',
  text: 'Please log off',
  link: '',
  deadlineAt: NOW + 60_000,
  startAt: undefined,
  version: '11.1.0',
  ...more,
});
const message = (id: string): NoticeView => notice(id, { kind: 'message', deadlineAt: undefined });
const refusal = (reason: Refusal['reason'], text = 'The gate is shut.'): Refusal => ({
  reason,
  text,
  closedAt: undefined,
  expectedAt: undefined,
  requiredVersion: '',
});
const hear = (message: Incoming, now = NOW): SessionCommand => ({ kind: 'hear', now, random: 0.5, message });
const welcome = (standing?: NoticeView): Incoming => ({
  kind: 'welcome',
  session: 's-1',
  resumeToken: 'again',
  heartbeatMs: 1_000,
  rights: { exempt: false, longestHoldMs: 3_600_000 },
  notice: standing,
});
const start: SessionCommand = { kind: 'start', now: NOW };

function play(...commands: SessionCommand[]): { state: SessionState; events: readonly SessionEvent[] } {
  let state = sessionMachine.initial;
  let events: readonly SessionEvent[] = [];
  for (const command of commands) {
    const decision = run(sessionMachine, state, command);
    if ('kind' in decision) throw new Error(decision.message);
    ({ state, events } = decision);
  }
  return { state, events };
}

const kinds = (events: readonly SessionEvent[]): string[] => events.map((event) => event.kind);

describe('a session', () => {
  it('given nothing, when started, then it connects and gives the server a time limit', () => {
    const { state, events } = play(start);
    expect(events).toEqual([{ kind: 'connecting', attempt: 1, until: NOW + ANSWER_MS, resumeToken: '' }]);
    expect(dueAt(state)).toBe(NOW + ANSWER_MS);
  });

  it('given connecting, when welcomed, then it is attached and a heartbeat is due', () => {
    const { state, events } = play(start, hear(welcome()));
    expect(kinds(events)).toEqual(['attached']);
    expect(dueAt(state)).toBe(NOW + 1_000);
  });

  it('given attached, when a notice comes, then it is shown and acknowledged as received', () => {
    const { events } = play(start, hear(welcome()), hear({ kind: 'notice', notice: notice('n-1') }));
    expect(events).toEqual([
      { kind: 'heard', now: NOW },
      { kind: 'notice-shown', notice: notice('n-1'), asNews: false },
      { kind: 'acknowledgement-due', notice: 'n-1', read: false },
    ]);
  });

  it('given a shown notice, when it is repeated, then it is acknowledged again and not shown', () => {
    const repeated: SessionCommand = hear({ kind: 'notice', notice: notice('n-1') });
    expect(kinds(play(start, hear(welcome()), repeated, repeated).events)).toEqual(['heard', 'acknowledgement-due']);
  });

  it('given a notice read while away, when welcomed with it, then the reading is said', () => {
    const { events } = play(
      start,
      hear(welcome(notice('n-1'))),
      { kind: 'lose', ...moment, refusal: undefined },
      { kind: 'acknowledge', notice: 'n-1' },
      { kind: 'tick', now: NOW + 10_000, random: 0.5 },
      hear(welcome(notice('n-1'))),
    );
    expect(events).toContainEqual({ kind: 'acknowledgement-due', notice: 'n-1', read: true });
  });

  it('given a lost connection, when it comes back, then it is the same session', () => {
    const { events } = play(
      start,
      hear(welcome()),
      { kind: 'lose', ...moment, refusal: undefined },
      { kind: 'tick', now: NOW + 10_000, random: 0.5 },
    );
    expect(events).toMatchObject([{ kind: 'connecting', attempt: 2, resumeToken: 'again' }]);
  });

  it('given attached, when the server is silent for three heartbeats, then the connection is given up', () => {
    const { events } = play(start, hear(welcome()), { kind: 'tick', now: NOW + 3_000, random: 0.5 });
    expect(kinds(events)).toEqual(['backed-off']);
  });

  it('given connecting, when refused by the gate, then the user is told once and it waits', () => {
    const once = play(start, hear({ kind: 'refused', refusal: refusal('gate-shut') }));
    expect(kinds(once.events)).toEqual(['refused', 'waiting']);
    expect(dueAt(once.state)).toBe(NOW + WAIT_MS);
  });

  describe('given waiting, when let in and welcomed', () => {
    const letIn = (welcomed: Incoming, news = 'Better.') =>
      play(
        start,
        hear({ kind: 'refused', refusal: refusal('gate-shut') }),
        { kind: 'let-in', ...moment, news },
        { kind: 'tick', now: NOW + 1_000, random: 0.5 },
        hear(welcomed),
      );

    it('then it says that the door is open again, and what is new', () => {
      const { state, events } = letIn(welcome());
      expect(events).toMatchObject([{ kind: 'attached' }, { kind: 'reopened', news: 'Better.' }]);
      expect(state).toMatchObject({ shutOut: false, news: '' });
    });

    it('then what is new comes in the words of the welcome, where it has some', () => {
      const { events } = letIn(welcome(notice('n-2', { kind: 'back-again', text: 'Besser.', deadlineAt: undefined })));
      expect(events).toMatchObject([
        { kind: 'attached' },
        { kind: 'reopened', news: 'Besser.' },
        { kind: 'notice-shown', asNews: true },
        { kind: 'acknowledgement-due' },
      ]);
    });

    it('then another notice is one to show', () => {
      const { events } = letIn(welcome(message('n-2')));
      expect(events).toMatchObject([
        { kind: 'attached' },
        { kind: 'reopened', news: 'Better.' },
        { kind: 'notice-shown', asNews: false },
        { kind: 'acknowledgement-due' },
      ]);
    });
  });

  it('given a user who was not shut out, when welcomed with what is new, then that is a notice like others', () => {
    const news = notice('n-2', { kind: 'back-again', deadlineAt: undefined });
    expect(play(start, hear(welcome(news))).events).toMatchObject([
      { kind: 'attached' },
      { kind: 'notice-shown', asNews: false },
      { kind: 'acknowledgement-due' },
    ]);
  });

  it('given a logoff that stands, when a message without consequence comes, then the logoff still stands', () => {
    const { state, events } = play(
      start,
      hear(welcome(notice('n-1'))),
      hear({ kind: 'notice', notice: message('n-2') }),
    );
    expect(kinds(events)).toEqual(['heard', 'notice-shown', 'acknowledgement-due']);
    expect(state.standing?.id).toBe('n-1');
  });

  it('given a logoff that stands, when its deadline is moved by another notice, then that one stands', () => {
    const moved = notice('n-2', { kind: 'deadline-moved', deadlineAt: NOW + 120_000 });
    const { state } = play(start, hear(welcome(notice('n-1'))), hear({ kind: 'notice', notice: moved }));
    expect(state.standing).toEqual(moved);
  });

  it('given a logoff that stood, when welcomed with a message only, then the logoff is taken away', () => {
    const { state, events } = play(
      start,
      hear(welcome(notice('n-1'))),
      { kind: 'lose', ...moment, refusal: undefined },
      { kind: 'tick', now: NOW + 10_000, random: 0.5 },
      hear(welcome(message('n-2'))),
    );
    expect(kinds(events)).toEqual(['attached', 'notice-withdrawn', 'notice-shown', 'acknowledgement-due']);
    expect(state.standing?.id).toBe('n-2');
  });

  it('given ready while away, when welcomed with the logoff, then it is said again', () => {
    const { events } = play(
      start,
      hear(welcome(notice('n-1'))),
      { kind: 'lose', ...moment, refusal: undefined },
      { kind: 'be-ready' },
      { kind: 'tick', now: NOW + 10_000, random: 0.5 },
      hear(welcome(notice('n-1'))),
    );
    expect(events).toContainEqual({ kind: 'ready-said', now: true });
  });

  it('given a user who may stay, when welcomed, then that is known', () => {
    const rights = { exempt: true, longestHoldMs: undefined };
    const { state } = play(start, hear({ ...welcome(), rights } as Incoming));
    expect(state.rights).toEqual(rights);
  });

  it('given let in, when refused for the same reason, then the user is not told again', () => {
    const refused = hear({ kind: 'refused', refusal: refusal('gate-shut') });
    const { events } = play(start, refused, { kind: 'let-in', ...moment, news: '' }, { kind: 'tick', now: NOW + 1_000, random: 0.5 }, refused); // prettier-ignore
    expect(kinds(events)).toEqual(['waiting']);
  });

  it('given an end at the deadline, when the application has saved, then it waits for the reopening as a new session', () => {
    const ended: Incoming = { kind: 'ended', reason: 'deadline', text: 'Update', comeBack: true };
    const left: SessionCommand[] = [start, hear(welcome()), hear(ended), { kind: 'leave', ...moment }];
    const { state, events } = play(...left);
    // Everybody was logged off in the same moment: they do not all come to wait in the same moment too.
    expect(events).toMatchObject([{ kind: 'backed-off', then: 'wait', until: NOW + 500 }]);
    expect(state.resumeToken).toBe('');
    expect(kinds(play(...left, { kind: 'tick', now: NOW + 500, random: 0.5 }).events)).toEqual(['waiting']);
  });

  it('given an end at the deadline, when the application takes for ever to save, then it goes on without', () => {
    const ended: Incoming = { kind: 'ended', reason: 'deadline', text: 'Update', comeBack: true };
    const { state } = play(start, hear(welcome()), hear(ended));
    expect(dueAt(state)).toBe(NOW + SAVE_MS);
    const late: SessionCommand = { kind: 'tick', now: NOW + SAVE_MS, random: 0 };
    const saved: SessionCommand = { kind: 'leave', now: NOW + SAVE_MS + 1, random: 0 };
    expect(kinds(play(start, hear(welcome()), hear(ended), late).events)).toEqual(['backed-off']);
    expect(play(start, hear(welcome()), hear(ended), late, saved).events).toEqual([]);
  });

  it('given a lost connection, when the door is shut at the return, then the application is told of its logoff', () => {
    const { events } = play(
      start,
      hear(welcome()),
      { kind: 'lose', ...moment, refusal: undefined },
      { kind: 'tick', now: NOW + 10_000, random: 0.5 },
      hear({ kind: 'refused', refusal: refusal('gate-shut') }),
    );
    expect(events).toMatchObject([{ kind: 'ended', reason: 'deadline', comeBack: true }]);
  });

  it('given attached, when moved, then it comes back and the user notices nothing', () => {
    const moved: Incoming = { kind: 'ended', reason: 'move', text: '', comeBack: true };
    expect(kinds(play(start, hear(welcome()), hear(moved)).events)).toEqual(['backed-off']);
  });

  it.each(['revoked', 'first-start-done', 'replaced'] as const)(
    'given attached, when %s, then it is over',
    (reason) => {
      const { state } = play(start, hear(welcome()), hear({ kind: 'ended', reason, text: '', comeBack: false }));
      expect(state.phase).toEqual({ at: 'finished', reason });
    },
  );

  it('given a notice, when it was withdrawn while away, then it is taken away at the welcome', () => {
    const { events } = play(
      start,
      hear(welcome(notice('n-1'))),
      { kind: 'lose', ...moment, refusal: undefined },
      { kind: 'tick', now: NOW + 10_000, random: 0.5 },
      hear(welcome()),
    );
    expect(events).toContainEqual({ kind: 'notice-withdrawn', notice: 'n-1', text: '' });
  });

  it('given no connection, when a hold is asked for, then the answer is no', () => {
    const { events } = play(start, { kind: 'ask-hold', reason: 'patient', durationMs: 60_000 });
    expect(events).toEqual([{ kind: 'hold-unsaid' }]);
  });
});

/** A logoff that stood goes only by a withdrawal, by another one, or by the end of the session. */
function hasLostLogoff(
  before: SessionState,
  { state, events }: { state: SessionState; events: readonly SessionEvent[] },
) {
  const stood = before.standing?.deadlineAt !== undefined;
  const stands = state.standing?.deadlineAt !== undefined;
  return stood && !stands && !events.some(({ kind }) => kind === 'notice-withdrawn' || kind === 'ended');
}

describe('a session, whatever happens in whatever order', () => {
  const ids = fc.constantFrom('n-1', 'n-2', 'n-3');
  const incoming: fc.Arbitrary<Incoming> = fc.oneof(
    fc.option(ids, { nil: undefined }).map((id) => welcome(id === undefined ? undefined : notice(id))),
    fc
      .constantFrom<Refusal['reason'][]>(
        'gate-shut',
        'wrong-version',
        'host-shut',
        'not-permitted',
        'too-many',
        'unknown',
      )
      .map((reason): Incoming => ({ kind: 'refused', refusal: refusal(reason) })),
    ids.map((id): Incoming => ({ kind: 'notice', notice: notice(id) })),
    ids.map((id): Incoming => ({ kind: 'notice', notice: message(`m-${id}`) })),
    ids.map((id): Incoming => ({ kind: 'notice-withdrawn', notice: id, text: '' })),
    fc.record({
      kind: fc.constant('ended' as const),
      reason: fc.constantFrom('deadline', 'connection', 'move', 'ready'),
      text: fc.constant(''),
      comeBack: fc.constant(true),
    }),
    fc.constant<Incoming>({ kind: 'sign-of-life' }),
    fc.constant<Incoming>({
      kind: 'hold-answer',
      hold: '',
      answer: { granted: true, awaitsApproval: false, text: '', expiresAt: undefined },
    }),
  );
  const random = fc.double({ min: 0, max: 0.999, noNaN: true });
  const command = (now: number): fc.Arbitrary<SessionCommand> =>
    fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('hear' as const), now: fc.constant(now), random, message: incoming }) }, // prettier-ignore
      { weight: 4, arbitrary: random.map((r): SessionCommand => ({ kind: 'tick', now, random: r })) },
      random.map((r): SessionCommand => ({ kind: 'lose', now, random: r, refusal: undefined })),
      random.map((r): SessionCommand => ({ kind: 'let-in', now, random: r, news: 'Better.' })),
      random.map((r): SessionCommand => ({ kind: 'lose-wait', now, random: r })),
      random.map((r): SessionCommand => ({ kind: 'leave', now, random: r })),
      ids.map((id): SessionCommand => ({ kind: 'acknowledge', notice: id })),
      fc.constant<SessionCommand>({ kind: 'be-ready' }),
      fc.constant<SessionCommand>({ kind: 'ask-hold', reason: 'x', durationMs: 60_000 }),
    );
  const history = fc
    .array(fc.nat({ max: 30_000 }), { maxLength: 60 })
    .chain((steps) => {
      let now = NOW;
      return fc.tuple(...steps.map((ms) => command((now += ms))));
    })
    .map((commands): SessionCommand[] => [start, ...commands]);

  it('shows each notice once, speaks only while attached, and never stands still', () => {
    fc.assert(
      fc.property(history, (commands) => {
        let state = sessionMachine.initial;
        const shown: string[] = [];
        for (const next of commands) {
          const decision = run(sessionMachine, state, next);
          if ('kind' in decision) throw new Error(decision.message);
          for (const event of decision.events) {
            if (event.kind === 'notice-shown') shown.push(event.notice.id);
            if (event.kind === 'reopened') expect(state.shutOut).toBe(true);
            if (event.kind === 'acknowledgement-due') expect(decision.state.phase.at).toBe('attached');
            if (event.kind === 'backed-off') expect(event.until - ('now' in next ? next.now : 0)).toBeLessThanOrEqual(60_000); // prettier-ignore
          }
          expect(hasLostLogoff(state, decision)).toBe(false);
          state = decision.state;
          const due = dueAt(state);
          expect(due).toBeDefined();
          if (due !== undefined && 'now' in next) expect(due - next.now).toBeLessThanOrEqual(WAIT_MS);
        }
        expect(new Set(shown).size).toBe(shown.length);
      }),
      { numRuns: 300 },
    );
  });

  it('is attached again after any history, once the server answers', () => {
    fc.assert(
      fc.property(history, (commands) => {
        let state = sessionMachine.initial;
        let now = NOW + 10 ** 9;
        const step = (next: SessionCommand): void => {
          const decision = run(sessionMachine, state, next);
          if (!('kind' in decision)) state = decision.state;
        };
        commands.forEach(step);
        for (let i = 0; i < 6 && state.phase.at !== 'attached'; i++) {
          step({ kind: 'leave', now, random: 0 });
          step({ kind: 'let-in', now, random: 0, news: '' });
          step({ kind: 'tick', now: (now += WAIT_MS), random: 0 });
          step(hear(welcome(), now));
        }
        expect(state.phase.at).toBe('attached');
      }),
      { numRuns: 300 },
    );
  });
});
