import type { Backends, Bench } from '@lastcall/bench';
import type { PeerQuestions } from '../peers/peer.js';
import type { Program } from '../questions.js';
import type { Machine } from './machine.js';
import type { Shape, TargetName } from './shape.js';

/* What a swarm stands before, whatever it is. */

export interface Target {
  readonly name: TargetName;
  readonly port: number;
  /** The process that has the connections: its memory and processor time are the server's. */
  readonly pid: number;
  /** Programs that the server needs to count, measured apart. */
  readonly besides: readonly number[];
  readonly credential: string;
  readonly installation: string;
  /** How often sessions give a sign of life; 0: never. */
  readonly heartbeatMs: number;
  /** Signs of life are answered, so that the swarm sees what was taken in. */
  readonly answers: boolean;
  /** Tells everybody. Answers when it began to: undefined when the notice itself says that. */
  tell(id: string, acknowledge: boolean): Promise<number | undefined>;
  /** When the last of so many acknowledgements was counted, and how many there are; undefined: the swarm asks. */
  counted(sessions: number): Promise<{ readonly at: number; readonly count: number } | undefined>;
  stop(): Promise<void>;
}

export interface TargetParts {
  readonly bench: Bench;
  readonly machine: Machine;
  readonly shape: Shape;
  readonly backends: Backends | undefined;
}

/** A text of the length that everybody sends, which begins with the id. */
export function textOf(id: string, characters: number): string {
  const words =
    'Encore is updated at noon. Please save your work and log off; you can log in again at a quarter past. ';
  return `${id} ${words.repeat(Math.ceil(characters / words.length))}`
    .slice(0, characters)
    .trimEnd()
    .padEnd(characters, '.');
}

export type PeerProgram = Program<PeerQuestions>;
