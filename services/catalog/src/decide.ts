import type { EventEnvelope, OutgoingEvent } from '@lastcall/contracts';
import { isRejected, run, type Decider, type Decision, type Rejected } from '@lastcall/kernel';
import type { Change, Collection, Step } from '@lastcall/store';

/*
 * A command against a document: decide, evolve and write with the events that it says, in one atomic step.
 */

/** What the world is told about a decision that changed something. */
export type Says<State, Event> = (state: State, events: readonly Event[]) => readonly OutgoingEvent[];

export interface Machine<State extends object, Command, Event> {
  readonly decider: Decider<State, Command, Event>;
  readonly says?: Says<State, Event>;
}

type Outcome<State, Event> = Decision<State, Event> | Rejected;

function step<State extends object, Command, Event>(
  { decider, says }: Machine<State, Command, Event>,
  command: (now: number) => NoInfer<Command>,
): Step<State, Outcome<State, Event>> {
  return (current, { now }): Change<State, Outcome<State, Event>> => {
    const outcome = run(decider, current ?? decider.initial, command(now));
    if (isRejected(outcome) || outcome.events.length === 0) return { keep: outcome };
    return { write: outcome.state, events: says?.(outcome.state, outcome.events) ?? [], result: outcome };
  };
}

export interface Actor<State, Command, Event> {
  /** Carries out a command. `now` is the store's clock. */
  carryOut(id: string, command: (now: number) => Command): Promise<Outcome<State, Event>>;
  /** The same for an incoming event, once; answers what was refused. A repeated one does nothing. */
  takeIn(id: string, envelope: EventEnvelope, command: Command): Promise<Rejected | undefined>;
}

export function actOn<State extends object, Command, Event>(
  collection: Collection<State>,
  machine: Machine<State, Command, Event>,
): Actor<State, Command, Event> {
  return {
    carryOut: (id, command) => collection.change(id, step(machine, command)),
    takeIn: async (id, envelope, command) => {
      const change = step(machine, () => command);
      const taken = await collection.take(id, envelope, change);
      return taken.taken && isRejected(taken.result) ? taken.result : undefined;
    },
  };
}
