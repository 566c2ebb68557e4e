import fc from 'fast-check';
import { run } from '@lastcall/kernel';
import { ANSWER_MS, dueAt, sessionMachine, WAIT_MS } from './session-machine.js';
import type { SessionCommand, SessionEvent, SessionState } from './session-state.js';
import type { Incoming, NoticeView, Refusal } from './session-words.js';

const NOW = 1_000_000;
const moment = { now: NOW, random: 0.5 };
const notice = (id: string): NoticeView => ({
  id,
  text: 'Please log off',
  deadlineAt: NOW + 60_000,
  version: '11.1.0',
});
const refusal = (reason: Refusal['reason'], text = 'The gate is shut.'): Refusal => ({
  reason,
  text,
  expectedAt: undefined,
  requiredVersion: '',
});
const hear = (message: Incoming, now = NOW): SessionCommand => ({ kind: 'hear', now, random: 0.5, message });
const welcome = (standing?: NoticeView): Incoming => ({
  kind: 'welcome',
  session: 's-1',
  resumeToken: 'again',
  heartbeatMs: 1_000,
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
      { kind: 'notice-shown', notice: notice('n-1') },
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

  it('given waiting, when let in and welcomed, then it says that the door is open again', () => {
    const { events } = play(
      start,
      hear({ kind: 'refused', refusal: refusal('gate-shut') }),
      { kind: 'let-in', ...moment },
      { kind: 'tick', now: NOW + 1_000, random: 0.5 },
      hear(welcome()),
    );
    expect(events).toMatchObject([{ kind: 'attached', reopened: true }]);
  });

  it('given let in, when refused for the same reason, then the user is not told again', () => {
    const refused = hear({ kind: 'refused', refusal: refusal('gate-shut') });
    const { events } = play(start, refused, { kind: 'let-in', ...moment }, { kind: 'tick', now: NOW + 1_000, random: 0.5 }, refused); // prettier-ignore
    expect(kinds(events)).toEqual(['waiting']);
  });

  it('given an end at the deadline, when the application has saved, then it waits for the reopening as a new session', () => {
    const ended: Incoming = { kind: 'ended', reason: 'deadline', text: 'Update', comeBack: true };
    const { state, events } = play(start, hear(welcome()), hear(ended), { kind: 'leave', ...moment });
    expect(kinds(events)).toEqual(['waiting']);
    expect(state.resumeToken).toBe('');
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
    expect(events).toMatchObject([{ kind: 'hold-answered', answer: { granted: false } }]);
  });
});

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
    ids.map((id): Incoming => ({ kind: 'notice-withdrawn', notice: id, text: '' })),
    fc.record({
      kind: fc.constant('ended' as const),
      reason: fc.constantFrom('deadline', 'connection', 'move', 'ready'),
      text: fc.constant(''),
      comeBack: fc.constant(true),
    }),
    fc.constant<Incoming>({ kind: 'sign-of-life' }),
    fc.constant<Incoming>({ kind: 'hold-answer', answer: { granted: true, text: '', expiresAt: undefined } }),
  );
  const random = fc.double({ min: 0, max: 0.999, noNaN: true });
  const command = (now: number): fc.Arbitrary<SessionCommand> =>
    fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('hear' as const), now: fc.constant(now), random, message: incoming }) }, // prettier-ignore
      { weight: 4, arbitrary: random.map((r): SessionCommand => ({ kind: 'tick', now, random: r })) },
      random.map((r): SessionCommand => ({ kind: 'lose', now, random: r, refusal: undefined })),
      random.map((r): SessionCommand => ({ kind: 'let-in', now, random: r })),
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
            if (event.kind === 'acknowledgement-due') expect(decision.state.phase.at).toBe('attached');
            if (event.kind === 'backed-off') expect(event.until - ('now' in next ? next.now : 0)).toBeLessThanOrEqual(60_000); // prettier-ignore
          }
          state = decision.state;
          const due = dueAt(state);
          if (state.phase.at !== 'leaving') expect(due).toBeDefined();
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
          step({ kind: 'let-in', now, random: 0 });
          step({ kind: 'tick', now: (now += WAIT_MS), random: 0 });
          step(hear(welcome(), now));
        }
        expect(state.phase.at).toBe('attached');
      }),
      { numRuns: 300 },
    );
  });
});
