import type { LoadOptions, ScenarioName } from './options.js';
import type { Place } from './place.js';
import type { Check, Results } from './results.js';
import type { Stations } from './stations.js';

/*
 * A scenario is a script of k6, in which the clients do what clients do, and a conductor here, who does what an operator or a misfortune
 * does as soon as the clients are so far. What the script asserts is in its thresholds; what only the service can say, or what
 * compares one count with another, the conductor adds.
 */

export interface Stage {
  readonly options: LoadOptions;
  /** Of k6: in one scenario others have some. */
  readonly clients: number;
  readonly reactionMs: number;
  readonly place: Place;
  readonly stations: Stations;
  /** How long may be waited for all to reach a station. */
  readonly patienceMs: number;
  readonly say: (text: string) => void;
  readonly check: (check: Check) => void;
  /** Something to report, not to judge. */
  readonly figure: (name: string, value: number) => void;
}

/** What holds between the counts when k6 has ended. */
export type Compare = (results: Results) => readonly Check[];

export interface Scenario {
  readonly name: ScenarioName;
  /** What the script is told besides. */
  script?(options: LoadOptions): Readonly<Record<string, unknown>>;
  /** How many of the clients are k6's. Default: all. */
  clientsOfK6?(options: LoadOptions): number;
  /** Settings of the session service that this scenario is about. */
  readonly sessionEnv?: Readonly<Record<string, string>>;
  /** Before the clients come. */
  prepare?(place: Place): Promise<void>;
  conduct(stage: Stage): Promise<Compare | void>;
}

/** Time for the broadcast, the acknowledgements and a listing of them, in k6, which is slow. */
export function reactionMsFor(clients: number): number {
  return Math.max(3_000, clients * 2);
}
