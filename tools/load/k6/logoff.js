import { attach, createClient } from './lib/client.js';
import { createStations, eachOfMine } from './lib/crowd.js';
import { load, shape, summary } from './lib/shape.js';

/* Notice, acknowledgements, reaction time, forced end; then one client of each user comes again and is refused. */

const N = load.clients;
export const options = shape({ attached: N, told: N, acknowledged: N, ended: N, refused: load.users });
export const handleSummary = summary;

export default function () {
  let size = 0;
  let inside = 0;
  const reach = createStations(() => size);
  const on = {
    welcome: () => {
      inside++;
      reach('attached');
    },
    notice: () => reach('told'),
    ended: (me) => {
      reach('ended');
      if (--inside === 0) attach(createClient(me.number, {}));
    },
  };
  size = eachOfMine((number) => attach(createClient(number, on)));
}
