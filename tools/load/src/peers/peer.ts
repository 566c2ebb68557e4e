import { sharedNow } from '../clock.js';

/* What every peer does besides its protocol: tells when it is asked to, and counts. */

export interface ListenQuestion {
  /** Sessions of each connection. */
  readonly perConnection: number;
}

export interface CountQuestion {
  /** How many acknowledgements are waited for. */
  readonly sessions: number;
}

/** Questions to a peer. */
export interface PeerAnswers {
  /** Port. */
  listen(question: ListenQuestion): Promise<number>;
  /** When it began, by the shared clock. The text begins with the id of the notice. */
  tell(question: { readonly text: string }): number;
  /** When the last acknowledgement of this notice was counted, and how many there are. */
  counted(question: CountQuestion): Promise<{ readonly at: number; readonly count: number }>;
}

export type PeerQuestions = { readonly [K in keyof PeerAnswers]: PeerAnswers[K] };

export interface Peer {
  readonly answers: Pick<PeerAnswers, 'tell' | 'counted'>;
  acknowledged(): void;
}

export function createPeer(broadcast: (text: string) => void): Peer {
  let count = 0;
  let at = 0;
  let wake: (() => void) | undefined;
  return {
    acknowledged: () => {
      count++;
      at = sharedNow();
      wake?.();
    },
    answers: {
      tell: ({ text }) => {
        count = 0;
        const began = sharedNow();
        broadcast(text);
        return began;
      },
      counted: async ({ sessions }) => {
        if (count < sessions) {
          await new Promise<void>((resolve) => {
            wake = () => {
              if (count >= sessions) resolve();
            };
          });
        }
        wake = undefined;
        return { at, count };
      },
    },
  };
}
