import { counts, load, times } from './shape.js';
import { dial, open } from './stream.js';

/*
 * One client of the business application: says hello, acknowledges each notice as soon as it has it, and counts what happens to it. What
 * its scenario wants to do besides, it does in `on`: welcome, refused, notice, ended, left, lost.
 */

/** Clocks of one machine: the server's and this one's. */
const CLOCK_MS = 2;

export function createClient(number, on) {
  return {
    number,
    on,
    session: '',
    resumeToken: '',
    notices: new Map(),
    heartbeatMs: 0,
    unanswered: 0,
    dialledAt: 0,
    helloAt: 0,
    lostAt: 0,
    stream: undefined,
  };
}

/** On a connection of its own. */
export function attach(me) {
  me.dialledAt = Date.now();
  dial();
  attachHere(me);
}

/** On the connection that was dialled last. */
export function attachHere(me) {
  me.helloAt = Date.now();
  me.stream = open(
    'Attach',
    (message, close) => hear(me, message, close),
    (how) => over(me, how),
  );
  const user = `user-${me.number}`;
  me.stream.write({
    hello: {
      installation: load.installation,
      user,
      displayName: user,
      language: me.number % 2 === 0 ? 'en' : 'de',
      version: '1.0.0',
      clientKind: 'desktop',
      resumeToken: me.resumeToken,
    },
  });
}

export function beat(me) {
  counts.heartbeats.add(1);
  me.unanswered++;
  me.stream.write({ heartbeat: {} });
}

export function leave(me) {
  counts.left.add(1);
  me.stream.write({ goodbye: {} });
  me.stream.close('left');
}

/** Something that no client should see. */
export function odd(me, what) {
  counts.odd.add(1);
  console.warn(`user-${me.number}: ${what}`);
}

function hear(me, message, close) {
  if (message.welcome) welcomed(me, message.welcome);
  else if (message.refused) refused(me, message.refused, close);
  else if (message.notice) told(me, message.notice);
  else if (message.ended) ended(me, message.ended, close);
  else if (message.heartbeat) answered(me);
  else odd(me, `did not expect ${JSON.stringify(message)}`);
}

function answered(me) {
  counts.heartbeats_answered.add(1);
  me.unanswered--;
}

function welcomed(me, welcome) {
  const { session, resumeToken, gate, notice, heartbeatInterval } = welcome;
  me.heartbeatMs = Number.parseFloat(heartbeatInterval) * 1000;
  if (!session || !resumeToken || !gate || !(me.heartbeatMs > 0))
    return odd(me, `a welcome without its fields: ${JSON.stringify(welcome)}`);
  if (me.session === '') {
    counts.attached.add(1);
    times.attach_ms.add(Date.now() - me.dialledAt);
    times.let_in_said_hello_at.add(me.helloAt);
    if (gate !== 'GATE_STATE_OPEN') counts.let_in_while_shut.add(1);
  } else if (me.session === session) {
    counts.came_back.add(1);
    times.back_ms.add(Date.now() - me.lostAt);
  } else counts.other_session.add(1);
  me.session = session;
  me.resumeToken = resumeToken;
  me.on.welcome?.(me);
  if (notice) told(me, notice, true);
}

function refused(me, { reason, text }, close) {
  if (reason === 'REFUSAL_REASON_GATE_SHUT') counts.refused.add(1);
  // Where it was before it may not have been noticed yet that it has gone.
  else if (me.lostAt === 0 || reason !== 'REFUSAL_REASON_TOO_MANY') odd(me, `refused: ${reason} ${text}`);
  close('refused');
  me.on.refused?.(me);
}

function told(me, notice, inWelcome = false) {
  const sentAt = Date.parse(notice.sentAt);
  const deadlineAt = notice.deadline ? Date.parse(notice.deadline) : 0;
  if (!notice.notice || !(sentAt > 0) || Number.isNaN(deadlineAt)) {
    return odd(me, `a notice without its fields: ${JSON.stringify(notice)}`);
  }
  if (me.notices.has(notice.notice)) {
    // Who comes back is told what stands, and may have it already.
    if (!inWelcome || me.lostAt === 0) counts.told_twice.add(1);
    return;
  }
  me.notices.set(notice.notice, { sentAt, deadlineAt });
  counts.told.add(1);
  times.told_ms.add(Date.now() - sentAt);
  counts.acknowledged.add(1);
  me.stream.write({ acknowledgement: { notice: notice.notice, read: true } });
  me.on.notice?.(me, notice);
}

function ended(me, { reason }, close) {
  const now = Date.now();
  const last = [...me.notices.values()].filter(({ deadlineAt }) => deadlineAt > 0).at(-1);
  if (reason !== 'END_REASON_DEADLINE') odd(me, `ended by ${reason}`);
  else {
    counts.ended.add(1);
    // Nobody is logged off without a notice.
    if (!last) counts.ended_early.add(1);
    else {
      times.ended_after_deadline_ms.add(now - last.deadlineAt);
      times.reaction_ms.add(now - last.sentAt);
      const early = now + CLOCK_MS < last.deadlineAt || now + CLOCK_MS < last.sentAt + load.reactionMs;
      if (early) counts.ended_early.add(1);
    }
  }
  close('ended');
  me.on.ended?.(me);
}

function over(me, how) {
  if (how === 'left' || how === 'refused' || how === 'ended') return;
  counts.lost.add(1);
  me.lostAt = Date.now();
  if (me.on.lost) me.on.lost(me, how);
  else console.warn(`user-${me.number}: lost: ${how}`);
}
