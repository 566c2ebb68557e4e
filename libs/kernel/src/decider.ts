import { isRejected, type Rejected } from './outcome.js';

/**
 * A state machine as two pure functions. `decide` says what a command leads to, or refuses it; `evolve` says what the
 * state is after an event. No clock, no randomness, no I/O: times and ids come in with the command.
 *
 * A decision that changes nothing is an empty list: a repeated command of an at-least-once channel is harmless.
 */
export interface Decider<State, Command, Event> {
  readonly initial: State;
  decide(state: State, command: Command): readonly Event[] | Rejected;
  evolve(state: State, event: Event): State;
}

/** What a command did to a state. */
export interface Decision<State, Event> {
  readonly state: State;
  readonly events: readonly Event[];
}

/** Decides, then folds the events into the state. */
export function run<State, Command, Event>(
  decider: Decider<State, Command, Event>,
  state: State,
  command: Command,
): Decision<State, Event> | Rejected {
  const events = decider.decide(state, command);
  if (isRejected(events)) return events;
  return { state: events.reduce((s, event) => decider.evolve(s, event), state), events };
}
