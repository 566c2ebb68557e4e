import { msToDuration, sessionV1 } from '@lastcall/contracts';

/* Why a session ends, in words for its user. */

type Said = NonNullable<sessionV1.AttachResponse['message']>;

export interface Farewell {
  readonly reason: sessionV1.EndReason;
  readonly text: string;
  readonly comeBack: boolean;
}

const { EndReason } = sessionV1;

export const FAREWELLS = {
  deadline: {
    reason: EndReason.DEADLINE,
    text: 'You are logged off now. You can log in again as soon as the gate is open.',
    comeBack: true,
  },
  install: {
    reason: EndReason.INSTALL,
    text: 'The update is going to be installed: everybody has to leave now. You can log in again as soon as the gate is open.',
    comeBack: true,
  },
  silent: {
    reason: EndReason.CONNECTION,
    text: 'Nothing was heard of this program for too long.',
    comeBack: true,
  },
  slow: { reason: EndReason.CONNECTION, text: 'This program reads too slowly.', comeBack: true },
  noisy: { reason: EndReason.CONNECTION, text: 'This program sends too many messages.', comeBack: true },
  move: { reason: EndReason.MOVE, text: 'The server is going down; connect again.', comeBack: true },
  revoked: { reason: EndReason.REVOKED, text: 'The credential was revoked.', comeBack: false },
  replaced: {
    reason: EndReason.REPLACED,
    text: 'The session came back on another connection.',
    comeBack: false,
  },
  ready: {
    reason: EndReason.READY,
    text: 'Your work is saved and you are logged off. You can log in again as soon as the gate is open.',
    comeBack: true,
  },
} as const satisfies Record<string, Farewell>;

/** Whether its user has open work at this end: where the server decides when it comes, and the user may come back. */
export function endsInPeace({ reason }: Farewell): boolean {
  return reason === EndReason.DEADLINE || reason === EndReason.INSTALL || reason === EndReason.READY;
}

/** `saveWithinMs`: how long the client is waited for; absent: it is not. */
export function ended(farewell: Farewell, saveWithinMs?: number): Said {
  const saveWithin = saveWithinMs === undefined ? undefined : msToDuration(saveWithinMs);
  return { $case: 'ended', value: { ...farewell, saveWithin } };
}

/** What it sent cannot be taken in. */
export function wrongMessage(why: string): Farewell {
  return { reason: EndReason.CONNECTION, text: why, comeBack: true };
}
