import { EVENT_TYPES, EVENTS, type EventType, type ServiceName } from '@lastcall/contracts';

/*
 * The choreography as a picture: who tells whom what. Drawn from the one table of events; every service refuses to start
 * when what it takes in is not what the table says.
 */

const SERVICES: readonly ServiceName[] = ['scheduler', 'preflight', 'installer', 'session', 'catalog'];

/** What `from` says that `to` takes in. */
function told(from: ServiceName, to: ServiceName): readonly EventType[] {
  return EVENT_TYPES.filter((type) => EVENTS[type].publishers.includes(from) && EVENTS[type].consumers.includes(to));
}

/** Mermaid source of the picture. */
export function drawChoreography(): string {
  const arrows = SERVICES.flatMap((from) =>
    SERVICES.flatMap((to) => {
      const events = told(from, to);
      return events.length === 0 ? [] : [`  ${from} -- "${events.join('<br/>')}" --> ${to}`];
    }),
  );
  return ['```mermaid', 'flowchart LR', ...arrows, '```'].join('\n');
}

/** Events that nobody owns, says or takes in. */
export function strayEvents(): readonly EventType[] {
  return EVENT_TYPES.filter((type) => {
    const { owner, publishers, consumers } = EVENTS[type];
    return !SERVICES.includes(owner) || publishers.length === 0 || consumers.length === 0;
  });
}
