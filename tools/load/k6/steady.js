import { attach, beat, createClient, leave } from './lib/client.js';
import { createStations, eachOfMine } from './lib/crowd.js';
import { load, shape, summary } from './lib/shape.js';

/* Everybody is attached and idle; then one message to all, and everybody logs off. */

const N = load.clients;
export const options = shape({ attached: N, told: N, acknowledged: N, left: N }, ['heartbeats', 'heartbeats_answered']);
export const handleSummary = summary;

function beatAll(inside) {
  // Who has the message is about to log off.
  for (const me of inside) if (me.notices.size === 0) beat(me);
}

export default function () {
  const inside = new Set();
  let size = 0;
  const reach = createStations(() => size);
  let beats;
  const gone = (me) => {
    inside.delete(me);
    if (inside.size === 0) clearInterval(beats);
  };
  const goodbye = (me) => {
    // An answer that is on its way would be heard by nobody.
    if (me.unanswered > 0) return void setTimeout(() => goodbye(me), load.listenMs);
    gone(me);
    leave(me);
    reach('left');
  };
  const on = {
    welcome: (me) => {
      beats ??= setInterval(() => beatAll(inside), me.heartbeatMs);
      inside.add(me);
      reach('attached');
    },
    notice: (me) => {
      reach('told');
      // Somebody who is told twice is told soon.
      setTimeout(() => goodbye(me), load.listenMs);
    },
    lost: gone,
  };
  size = eachOfMine((number) => attach(createClient(number, on)));
}
