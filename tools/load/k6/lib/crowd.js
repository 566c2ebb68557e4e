import exec from 'k6/execution';
import { load } from './shape.js';

/*
 * The clients of one user of k6, and how load.js, which conducts, knows how far they are: a line `station NAME COUNT` for what has been
 * reached.
 */

/** Numbers of this user's clients. Users take turns, so that each has as many as the others, but for one. */
function numbers() {
  const { clients, users } = load;
  const first = exec.scenario.iterationInTest;
  const mine = [];
  for (let number = first; number < clients; number += users) mine.push(number + 1);
  return mine;
}

/** Calls `begin` for each, one after the other, and lets what arrives meanwhile be heard. */
export function eachOfMine(begin) {
  const mine = numbers();
  const next = (at) => {
    begin(mine[at]);
    if (at + 1 < mine.length) setTimeout(() => next(at + 1), 0);
  };
  if (mine.length > 0) next(0);
  return mine.length;
}

/** Answers what is called for each client that has reached a station, and says it when all have. */
export function createStations(all) {
  const reached = {};
  return (station) => {
    reached[station] = (reached[station] ?? 0) + 1;
    if (reached[station] === all()) say(station, all());
  };
}

export function say(station, count) {
  console.log(`station ${station} ${count}`);
}
