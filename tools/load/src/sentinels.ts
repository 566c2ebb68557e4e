import { attachSession, openChannel, type AttachedSession } from '@lastcall/sdk';
import { sharedNow, timeOfDayOffset } from './clock.js';
import { answerQuestions } from './questions.js';
import { Tally } from './swarm/tally.js';

/*
 * Some hundred whole clients in a process of their own, as applications have them: what the lean swarm says is believed because they say the
 * same. Acknowledgements and heartbeats are the SDK's.
 */

export interface SentinelsQuestion {
  readonly port: number;
  readonly sessions: number;
  readonly credential: string;
  readonly installation: string;
}

interface Sentinels {
  readonly attached: Tally;
  readonly told: Tally;
  readonly withdrawn: Tally;
  readonly ended: Tally;
  readonly reasons: Record<string, number>;
  readonly sessions: readonly AttachedSession[];
}

let sentinels: Sentinels | undefined;
const here = (): Sentinels => {
  if (!sentinels) throw new Error('nobody is attached');
  return sentinels;
};

const answers = {
  attach: async (question: SentinelsQuestion) => {
    sentinels = start(question);
    await sentinels.attached.all();
    return sentinels.attached.summary();
  },
  arm: (_: null) => {
    here().told.clear();
    here().withdrawn.clear();
  },
  finish: async (_: null) => {
    await here().told.all();
    return here().told.summary();
  },
  withdrawn: async (_: null) => {
    await here().withdrawn.all();
    return here().withdrawn.summary();
  },
  ends: async (_: null) => {
    await here().ended.all();
    return { ...here().ended.summary(), reasons: here().reasons, timeOfDayOffset: timeOfDayOffset() };
  },
};

export type SentinelsQuestions = typeof answers;

function start({ port, sessions: size, credential, installation }: SentinelsQuestion): Sentinels {
  const tally = (): Tally => new Tally(size);
  const [attached, told, withdrawn, ended] = [tally(), tally(), tally(), tally()];
  const reasons: Record<string, number> = {};
  const sessions = Array.from({ length: size }, (_, i) =>
    attachSession({
      user: `sentinel-${i}`,
      version: '1.0.0',
      installation,
      channel: openChannel({ address: `${addressOf(i)}:${port}`, credential: () => credential }),
      onAttached: () => attached.add(i, sharedNow()),
      onNotice: () => told.add(i, sharedNow()),
      onNoticeWithdrawn: () => withdrawn.add(i, sharedNow()),
      onLogoff: (reason) => {
        ended.add(i, sharedNow());
        reasons[reason] = (reasons[reason] ?? 0) + 1;
      },
    }),
  );
  return { attached, told, withdrawn, ended, reasons, sessions };
}

/** gRPC shares a connection between channels with the same address, so each sentinel dials another one of this machine. */
function addressOf(i: number): string {
  return `127.1.${i >> 8}.${i & 255}`;
}

answerQuestions(answers);
