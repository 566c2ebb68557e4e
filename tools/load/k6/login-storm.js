import { attach, attachHere, createClient, leave, odd } from './lib/client.js';
import { createStations, eachOfMine } from './lib/crowd.js';
import { counts, load, shape, summary, times } from './lib/shape.js';
import { dial, open } from './lib/stream.js';

/* Everybody is refused at a shut gate and waits; it opens, they are woken and come in. */

const N = load.clients;
export const options = shape({ refused: N, woken: N, attached: N, told: N, acknowledged: N, left: N });
export const handleSummary = summary;

export default function () {
  let size = 0;
  const reach = createStations(() => size);
  const on = {
    refused: (me) => wait(me, reach),
    welcome: (me) => {
      if (!me.isWoken) odd(me, 'let in before the gate was open');
      reach('attached');
    },
    notice: (me) => {
      reach('told');
      setTimeout(() => {
        leave(me);
        reach('left');
      }, load.listenMs);
    },
  };
  // While nobody is inside they share a connection.
  dial();
  size = eachOfMine((number) => attachHere(createClient(number, on)));
}

function wait(me, reach) {
  let messages = 0;
  const stream = open(
    'WaitForReopening',
    (message, close) => {
      if (++messages === 1) reach('waiting');
      if (!message.open) return;
      counts.woken.add(1);
      const openedAt = Date.parse(message.serverTime);
      if (messages === 1 || !(openedAt > 0)) odd(me, `woken by ${JSON.stringify(message)}`);
      times.woken_ms.add(Date.now() - openedAt);
      me.isWoken = true;
      close('woken');
      attach(me);
    },
    (how) => {
      if (how === 'woken') return;
      counts.lost.add(1);
      console.warn(`user-${me.number}: waits no more: ${how}`);
    },
  );
  stream.write({ name: `installations/${load.installation}` });
  stream.endWriting();
}
