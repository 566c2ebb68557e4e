import { quoted, type Violation } from '@lastcall/kernel';
import { SERVICE_NAMES } from '../identity/ensure-identity.js';

/** Undefined: it is one, or empty. Nothing found must not be the answer to a slip of the pen. */
export function checkService(field: string, service: string): Violation | undefined {
  if (service === '' || SERVICE_NAMES.some((name) => name === service)) return undefined;
  return { field, description: `is ${quoted(service)}; services are ${SERVICE_NAMES.join(', ')}` };
}
