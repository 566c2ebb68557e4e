import { equal, holds, type Check } from '../results.js';
import type { Scenario } from '../scenario.js';
import { gateIsShut } from './steps.js';

const SPREAD_MS = 2_000;

/** All come while a person shuts the gate. */
export const gateRace: Scenario = {
  name: 'gate-race',
  script: () => ({ spreadMs: SPREAD_MS }),
  conduct: async (stage) => {
    const { stations, clients, patienceMs, place, say } = stage;
    await stations.reached('inside', Math.ceil(clients / 4), patienceMs);
    const { answeredAt } = await place.closeGate(stage.reactionMs);
    say(`the gate was shut when ${stations.count('inside')} were inside`);
    await stations.reached('decided', clients, patienceMs);
    say(`${stations.count('inside')} were let in, ${stations.count('outside')} were not`);
    await stations.reached('settled', clients, stage.reactionMs + patienceMs);
    await gateIsShut(stage);
    return ({ counts, times }) => {
      const inside = counts['attached'] ?? 0;
      const refused = counts['refused'] ?? 0;
      const lastHelloAt = times['let_in_said_hello_at']?.max ?? Number.NaN;
      const checks: Check[] = [
        equal('let in or refused, and nothing else', inside + refused, clients),
        holds('somebody was let in, and somebody was refused', inside > 0 && refused > 0, `${inside} and ${refused}`),
        holds(
          'nobody was let in who came after the gate was shut',
          lastHelloAt <= answeredAt,
          answeredAt - lastHelloAt,
        ),
      ];
      for (const what of ['told', 'acknowledged', 'ended']) {
        checks.push(equal(`of those who were let in: ${what}`, counts[what] ?? 0, inside));
      }
      return checks;
    };
  },
};
