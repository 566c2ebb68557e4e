import type { RoleName } from '@lastcall/contracts';
import { assertNever, reject, type Decider, type Rejected } from '@lastcall/kernel';

/*
 * One action that waits for a second person, from the asking to its end. Pure. Keeps these rules: nobody agrees to what they have asked for,
 * no service agrees to anything, nobody agrees twice, and nobody after the time. What was granted is begun once and never again.
 *
 *   ask ──► waiting ── grant, by somebody else, in time ──► granted ── finish ──► carried-out | failed
 *              └────── refuse, by anybody ──► refused
 */

export interface Ask {
  readonly installation: string;
  /** Word of the installation's policy. */
  readonly action: string;
  /** Full gRPC method. */
  readonly method: string;
  /** The request as it was sent, base64. */
  readonly request: string;
  /** The same for people. */
  readonly shown: string;
  readonly reason: string;
  /** Subject and role of whoever asked. */
  readonly requestedBy: string;
  readonly role: RoleName;
  readonly askedAt: number;
  readonly expiresAt: number;
}

export type ApprovalState =
  | { readonly state: 'absent' }
  | { readonly state: 'waiting'; readonly ask: Ask }
  | { readonly state: 'granted'; readonly ask: Ask; readonly by: string; readonly at: number }
  | { readonly state: 'carried-out'; readonly ask: Ask; readonly by: string; readonly at: number }
  | { readonly state: 'failed'; readonly ask: Ask; readonly by: string; readonly at: number; readonly why: string }
  | { readonly state: 'refused'; readonly ask: Ask; readonly by: string; readonly at: number; readonly why: string };
export type KnownApproval = Exclude<ApprovalState, { state: 'absent' }>;

export type ApprovalCommand =
  | { readonly type: 'ask'; readonly ask: Ask }
  | { readonly type: 'grant'; readonly by: string; readonly at: number }
  | { readonly type: 'refuse'; readonly by: string; readonly why: string; readonly at: number }
  /** `why`: it failed. */
  | { readonly type: 'finish'; readonly why?: string };

export type ApprovalEvent =
  | { readonly type: 'asked'; readonly ask: Ask }
  | { readonly type: 'granted'; readonly by: string; readonly at: number }
  | { readonly type: 'refused'; readonly by: string; readonly why: string; readonly at: number }
  | { readonly type: 'finished'; readonly why?: string };

export const approvalDecider: Decider<ApprovalState, ApprovalCommand, ApprovalEvent> = {
  initial: { state: 'absent' },
  decide,
  evolve,
};

export function isExpired({ expiresAt }: Ask, at: number): boolean {
  return at >= expiresAt;
}

/** Two credentials of one person are one person: however the name is written, signed in or not. */
export function isSamePerson(one: string, other: string): boolean {
  return personOf(one) === personOf(other);
}

function personOf(subject: string): string {
  return subject
    .normalize('NFKC')
    .trim()
    .toLowerCase()
    .replace(/^oidc:/, '');
}

function decide(state: ApprovalState, command: ApprovalCommand): readonly ApprovalEvent[] | Rejected {
  switch (command.type) {
    case 'ask':
      return state.state === 'absent' ? [{ type: 'asked', ask: command.ask }] : [];
    case 'grant': {
      const { by, at } = command;
      return refuseDecision(state, at) ?? refusePerson(state, by) ?? [{ type: 'granted', by, at }];
    }
    case 'refuse': {
      const { by, why, at } = command;
      return refuseDecision(state, at) ?? [{ type: 'refused', by, why, at }];
    }
    case 'finish':
      if (state.state !== 'granted') return reject('refused', 'NOT_GRANTED', 'nobody has agreed to it');
      return [{ type: 'finished', ...(command.why !== undefined && { why: command.why }) }];
    default:
      return assertNever(command);
  }
}

function refuseDecision(state: ApprovalState, at: number): Rejected | undefined {
  if (state.state === 'absent') return reject('not-found', 'NOT_FOUND', 'there is no such request for a second person');
  if (state.state !== 'waiting') {
    return reject('refused', 'NOT_WAITING', `${state.by} has decided before: it is ${state.state.replace('-', ' ')}`);
  }
  if (!isExpired(state.ask, at)) return undefined;
  const until = new Date(state.ask.expiresAt).toISOString();
  return reject(
    'refused',
    'APPROVAL_EXPIRED',
    `it could be decided until ${until}; ${state.ask.requestedBy} may ask again`,
  );
}

function refusePerson(state: ApprovalState, by: string): Rejected | undefined {
  if (by === '' || by.startsWith('service:')) {
    return reject('refused', 'NOT_A_PERSON', 'a second person agrees, and no service');
  }
  if (state.state === 'absent' || !isSamePerson(state.ask.requestedBy, by)) return undefined;
  return reject('refused', 'SAME_PERSON', `${by} has asked for it; another person has to agree`);
}

function evolve(state: ApprovalState, event: ApprovalEvent): ApprovalState {
  switch (event.type) {
    case 'asked':
      return { state: 'waiting', ask: event.ask };
    case 'granted':
      return state.state === 'waiting' ? { state: 'granted', ask: state.ask, by: event.by, at: event.at } : state;
    case 'refused': {
      if (state.state !== 'waiting') return state;
      return { state: 'refused', ask: state.ask, by: event.by, at: event.at, why: event.why };
    }
    case 'finished': {
      if (state.state !== 'granted') return state;
      const { ask, by, at } = state;
      return event.why === undefined
        ? { state: 'carried-out', ask, by, at }
        : { state: 'failed', ask, by, at, why: event.why };
    }
    default:
      return assertNever(event);
  }
}
