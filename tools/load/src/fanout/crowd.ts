import { readCpu, type Bench, type Cpu } from '@lastcall/bench';
import { sharedNow } from '../clock.js';
import type { Program } from '../questions.js';
import type { SentinelsQuestions } from '../sentinels.js';
import type { SwarmQuestions } from '../swarm/main.js';
import type { Shape } from './shape.js';
import type { Target } from './target.js';
import type { Violations } from './violations.js';

/* Everybody who stands before a target, and what it takes to tell them something. */

export interface Crowd {
  readonly bench: Bench;
  readonly shape: Shape;
  readonly target: Target;
  readonly swarm: Program<SwarmQuestions>;
  readonly sentinels: Program<SentinelsQuestions> | undefined;
  readonly violations: Violations;
}

export const each = (ms: number, sessions: number): number => (ms * 1_000) / sessions;
const sum = (cpus: readonly Cpu[]): number => cpus.reduce((total, { usedMs }) => total + usedMs, 0);

interface Cpus {
  readonly server: Cpu;
  readonly besides: number;
  readonly swarm: Cpu;
}

function readCpus({ target, swarm }: Crowd): Cpus {
  return { server: readCpu(target.pid), besides: sum(target.besides.map(readCpu)), swarm: readCpu(swarm.pid) };
}

/** Tells everybody once, and waits until all of them have it and have acknowledged it. */
export async function tellAll(crowd: Crowd, id: string, acknowledge: boolean) {
  const { target, swarm, sentinels, shape } = crowd;
  // Only who gets no count of the server's asks for an answer.
  const ask = acknowledge && target.answers;
  await swarm.ask('arm', { acknowledge, ask });
  await sentinels?.ask('arm', null);
  const before = readCpus(crowd);
  const finished = swarm.ask('finish', null);
  const sentinelsFinished = sentinels?.ask('finish', null);
  const calledAt = sharedNow();
  const toldAt = await target.tell(id, acknowledge);
  const round = await finished;
  const counted = acknowledge ? await target.counted(shape.clients) : undefined;
  const after = readCpus(crowd);
  const { notice, timeOfDayOffset } = round;
  const beganAt = toldAt ?? (notice?.serverTime ?? 0) - timeOfDayOffset;
  return { round, counted, before, after, calledAt, beganAt, sentinels: await sentinelsFinished };
}
