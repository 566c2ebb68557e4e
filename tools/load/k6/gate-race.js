import { attach, createClient } from './lib/client.js';
import { createStations, eachOfMine, say } from './lib/crowd.js';
import { counts, load, shape, summary } from './lib/shape.js';

/*
 * Everybody comes while the gate is being shut: each is let in, told and ended, or refused. load.js compares how many are which, and
 * whether somebody was let in who said hello after the gate was shut.
 */

const N = load.clients;
export const options = shape({ settled: N }, ['attached', 'refused', 'told', 'acknowledged', 'ended']);
export const handleSummary = summary;

export default function () {
  let size = 0;
  const reach = createStations(() => size);
  const settle = () => {
    counts.settled.add(1);
    reach('settled');
  };
  const decide = (how) => {
    say(how, 1);
    reach('decided');
  };
  const on = {
    welcome: () => decide('inside'),
    refused: () => {
      settle();
      decide('outside');
    },
    ended: settle,
  };
  size = eachOfMine((number) => {
    setTimeout(() => attach(createClient(number, on)), Math.random() * load.spreadMs);
  });
}
