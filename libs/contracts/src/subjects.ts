import { EVENTS, isEventType, type EventEnvelope, type EventType } from './events.js';

/*
 * Subjects: `{prefix}.{area}.{event}.{installation}`, the prefix being `lastcall` unless several systems share a server.
 * Tokens are encoded, never concatenated raw: whatever an id may contain one day, it can neither add a level nor become
 * a wildcard. What is only broadcast has three levels, so that the stream of events (four levels) does not keep it.
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
  return type.replace(/(?<=[a-z0-9])[A-Z]/g, '-$&').toLowerCase();
}

/**
 * Where an event is published. An event that only a newer peer knows (it stood in an outbox when the service went back to
 * this version) goes to the area of the service whose document said it, which is where that peer has it too.
 */
export function subjectFor(
  event: Pick<EventEnvelope, 'type' | 'source' | 'installation'>,
  prefix = SUBJECT_PREFIX,
): string {
  const { type, source, installation } = event;
  const area = isEventType(type) ? EVENTS[type].owner : (source.split('/')[0] ?? '');
  return [encodeToken(prefix), encodeToken(area), encodeToken(kebab(type)), encodeToken(installation)].join('.');
}

/** What a consumer of this event subscribes to. */
export function subjectFilter(type: EventType, prefix = SUBJECT_PREFIX): string {
  return `${encodeToken(prefix)}.${EVENTS[type].owner}.${kebab(type)}.*`;
}

/** Everything that the stream of events keeps. */
export function subjectOfAllEvents(prefix = SUBJECT_PREFIX): string {
  return `${encodeToken(prefix)}.*.*.*`;
}

/** Where a broadcast goes; in no stream. */
export function broadcastSubject(topic: string, prefix = SUBJECT_PREFIX): string {
  return `${encodeToken(prefix)}.broadcast.${encodeToken(topic)}`;
}
