import { describeChanges } from './contract-changes.js';
import { describeCrashes } from './contract-crashes.js';
import { describeEvents } from './contract-events.js';
import { describeInbox } from './contract-inbox.js';
import { describeQueries } from './contract-queries.js';
import { describeRemovals } from './contract-removals.js';
import type { CreateDatabase } from './contract-tools.js';

/** Everything that the port promises, on one implementation. Tests only. */
export function describeStoreContract(name: string, create: CreateDatabase): void {
  describe(`${name}: store contract`, () => {
    describeChanges(create);
    describeInbox(create);
    describeRemovals(create);
    describeQueries(create);
    describeEvents(create);
    describeCrashes(create);
  });
}
