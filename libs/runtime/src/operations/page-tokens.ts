import type { Violation } from '@lastcall/kernel';

/** Undefined: it is empty, or the place in the order after which a list goes on. */
export function checkToken(pageToken: string): Violation | undefined {
  const order = Buffer.from(pageToken, 'base64url').toString('utf8');
  if (pageToken === '' || /^\d{15}\.[a-z0-9-]{1,80}$/.test(order)) return undefined;
  return { field: 'page_token', description: 'is not one of this list; begin without one' };
}

/** Undefined: from the begin. */
export function placeOf(pageToken: string): string | undefined {
  return pageToken === '' ? undefined : Buffer.from(pageToken, 'base64url').toString('utf8');
}

export function tokenOf(place: string): string {
  return Buffer.from(place).toString('base64url');
}
