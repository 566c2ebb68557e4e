import { attach, createClient } from './lib/client.js';
import { createStations, eachOfMine, say } from './lib/crowd.js';
import { load, shape, summary } from './lib/shape.js';

/* A replica is killed: whoever hung on it comes back as the same session; then a logoff in which nobody is missing. */

const N = load.clients;
export const options = shape({ attached: N, told: N, acknowledged: N, ended: N }, ['lost', 'came_back']);
export const handleSummary = summary;

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5_000;

export default function () {
  let size = 0;
  const reach = createStations(() => size);
  const on = {
    welcome: (me) => {
      me.attempts = 0;
      if (me.lostAt > 0) say('back', 1);
      else reach('attached');
    },
    refused: comeBack,
    notice: () => reach('told'),
    ended: () => reach('ended'),
    lost: (me) => {
      if (me.attempts === 0) say('lost', 1);
      comeBack(me);
    },
  };
  size = eachOfMine((number) => attach(Object.assign(createClient(number, on), { attempts: 0 })));
}

/** With full jitter, as the SDK does. */
function comeBack(me) {
  const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** me.attempts++);
  setTimeout(() => attach(me), Math.random() * longest);
}
