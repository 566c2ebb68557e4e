import { attach, createClient, leave, odd } from './lib/client.js';
import { createStations, eachOfMine } from './lib/crowd.js';
import { load, shape, summary } from './lib/shape.js';

/*
 * Those who read. Others, which load.js attaches to the same installation, do not: k6 has no stream that is not read. Several long messages;
 * everybody here must have each of them once.
 */

const N = load.clients;
const TOLD = N * load.messages;
export const options = shape({ attached: N, told: TOLD, acknowledged: TOLD, left: N });
export const handleSummary = summary;

export default function () {
  let size = 0;
  const reach = createStations(() => size);
  const on = {
    welcome: () => reach('attached'),
    notice: (me, { text }) => {
      if (text.length < load.textChars) odd(me, `a message of ${text.length} characters`);
      reach(`told-${me.notices.size}`);
      if (me.notices.size < load.messages) return;
      setTimeout(() => {
        leave(me);
        reach('left');
      }, load.listenMs);
    },
  };
  size = eachOfMine((number) => attach(createClient(number, on)));
}
