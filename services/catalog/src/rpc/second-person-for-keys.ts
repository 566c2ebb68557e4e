import { MINUTE_MS } from '@lastcall/kernel';
import { ALL_INSTALLATIONS, type Prepared } from '@lastcall/runtime';

/*
 * Who signs concerns every installation. So the rule is none of an installation's settings but one of the catalog's, out of reach of the
 * calls: no credential takes it away.
 */

/** Minutes that a change of keys waits for a second person; 0: one person is enough. */
export type KeysMinutes = number;

export function forKeys(minutes: KeysMinutes, changesKeys: boolean): Omit<Prepared<unknown>, 'perform' | 'shown'> {
  const action = minutes > 0 && changesKeys ? 'keys' : undefined;
  return {
    ...{ installation: ALL_INSTALLATIONS, action, reason: '' },
    rule: { actions: ['keys'], validMs: minutes * MINUTE_MS },
  };
}
