import { EVENTS } from '@lastcall/contracts';
import { isRejected, run as runDecider } from '@lastcall/kernel';
import { gate } from './domain/gate.js';
import { eventsFor } from './gate-events.js';
import { CONFIRMED, DEADLINE, given, spec, WHY } from './testing/gate-commands.js';

/** What a quarantine of these hosts says of hosts that stay shut, where an earlier run had left a host of its own in quarantine. */
function saidShut(hosts: Readonly<Record<string, string>>): readonly string[] {
  const before = { ...given(...CONFIRMED).state, quarantine: { desk9: 'Lost before.' } };
  const decision = runDecider(gate, before, { type: 'quarantine', run: spec(), failure: WHY, hosts, at: DEADLINE });
  if (isRejected(decision)) throw new Error(decision.message);
  const reopened = eventsFor(before, decision.events).find(({ type }) => type === 'GateReopened');
  if (!reopened) throw new Error('nothing was said');
  return Object.keys(EVENTS.GateReopened.codec.decode(reopened.data).shutHosts).toSorted();
}

it('names every host when the gate stays shut for all, and those in quarantine when it opens for the others', () => {
  expect(saidShut({})).toEqual(['desk9', 'srv', 'ts1', 'ws1']);
  expect(saidShut({ srv: 'Lost.' })).toEqual(['desk9', 'srv', 'ts1', 'ws1']);
  expect(saidShut({ ts1: 'Lost.' })).toEqual(['desk9', 'ts1']);
});
