import type { GateState, Hold, HoldDecision } from './gate-state.js';

/*
 * What became of holds, kept for owners who come back after it: they may have been away when it was said.
 */

/** More than an installation grants for one logoff. */
const KEPT = 200;

/** The gate after an event, with what the event decided. A new shutting forgets what was before. */
export function withDecisions(before: GateState, after: GateState): GateState {
  const isNewLogoff = before.phase === 'open' && after.phase !== 'open';
  const known = isNewLogoff ? [] : (after.holdDecisions ?? []);
  const made = decisionsOf(before, after);
  if (made.length === 0 && !isNewLogoff) return after;
  const { holdDecisions: _, ...rest } = after;
  const holdDecisions = [...known, ...made].slice(-KEPT);
  return holdDecisions.length === 0 ? rest : { ...rest, holdDecisions };
}

function decisionsOf(before: GateState, after: GateState): readonly HoldDecision[] {
  const [was, is] = [holdsOf(before), holdsOf(after)];
  const counted = new Set(was.filter(counts).map(({ id }) => id));
  const granted = is.filter((hold) => counts(hold) && !counted.has(hold.id));
  const outcome = after.phase === 'open' ? 'postponed' : 'denied';
  return [
    ...was.filter((hold) => isOver(hold, is)).map(({ id, session }) => ({ hold: id, session, outcome }) as const),
    ...granted.map(({ id, session, expiresAt }) => ({ hold: id, session, outcome: 'moved', expiresAt }) as const),
  ];
}

function counts({ awaitsApproval }: Hold): boolean {
  return !awaitsApproval;
}

/** It waited, and neither it nor another one of its owner waits or counts any more. */
function isOver({ id, session, awaitsApproval }: Hold, now: readonly Hold[]): boolean {
  return awaitsApproval && !now.some((hold) => hold.id === id || (hold.session === session && hold.awaitsApproval));
}

function holdsOf(gate: GateState): readonly Hold[] {
  return gate.phase === 'closing' ? gate.holds : [];
}

/** The hold of this session that waits for a second person. */
export function waitingHold(gate: GateState, session: string): Hold | undefined {
  return holdsOf(gate).find((hold) => hold.session === session && hold.awaitsApproval);
}

/** What was decided on this hold. */
export function decisionOn({ holdDecisions = [] }: GateState, hold: string): HoldDecision | undefined {
  return holdDecisions.findLast((decision) => decision.hold === hold);
}

/** What was decided last for this session. */
export function decisionFor({ holdDecisions = [] }: GateState, session: string): HoldDecision | undefined {
  return holdDecisions.findLast((decision) => decision.session === session);
}
