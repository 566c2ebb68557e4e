import { EVENTS, type EventType } from './events.js';

/*
 * Subjects: `lastcall.{area}.{event}.{installation}`. Tokens are encoded, never concatenated raw: whatever an id may
 * contain one day, it can neither add a level nor become a wildcard.
 */

export const SUBJECT_PREFIX = 'lastcall';

/** Lower-case letters, digits and hyphens stay; every other byte becomes `_` and two hexadecimal digits; nothing becomes `_`. */
export function encodeToken(text: string): string {
  if (text === '') return '_';
  return [...Buffer.from(text, 'utf8')]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      return /[a-z0-9-]/.test(char) ? char : `_${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}

function kebab(type: string): string {
  return type.replace(/(?<=[a-z])[A-Z]/g, '-$&').toLowerCase();
}

/** Where an event is published. */
export function subjectFor(type: EventType, installation: string): string {
  return `${SUBJECT_PREFIX}.${EVENTS[type].owner}.${kebab(type)}.${encodeToken(installation)}`;
}

/** What a consumer of this event subscribes to. */
export function subjectFilter(type: EventType): string {
  return `${SUBJECT_PREFIX}.${EVENTS[type].owner}.${kebab(type)}.*`;
}
