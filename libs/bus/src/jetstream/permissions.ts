import {
  broadcastsOf,
  broadcastSubject,
  encodeToken,
  EVENT_TYPES,
  EVENTS,
  subjectFilter,
  SUBJECT_PREFIX,
  type ServiceName,
} from '@lastcall/contracts';
import { streamName } from './settings.js';

/*
 * What each service's own user on NATS may publish and subscribe to, and nothing else: the events that it says, the broadcasts of its own
 * replicas, its own durable consumer, its own inbox. deploy/nats/users.conf is made of it; a test compares the two.
 */

export interface NatsPermissions {
  /** Subjects, with wildcards. Everything else is denied. */
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/**
 * Whoever comes first makes a lost stream again, so each may create it. To change one that is there (as a new release or another number of
 * copies asks for) is as good as to empty it: one service may, which talks to neither hosts nor clients.
 */
export const STREAM_KEEPER: ServiceName = 'scheduler';

export function natsPermissions(service: ServiceName, prefix = SUBJECT_PREFIX): NatsPermissions {
  const stream = streamName(prefix);
  const broadcasts = broadcastsOf(service).map((topic) => broadcastSubject(topic, prefix));
  const consumer = `${stream}.${encodeToken(service)}`;
  return {
    publish: [
      // Its whole area: an event of the next release is there too, while these permissions are still those of this one.
      `${encodeToken(prefix)}.${service}.*.*`,
      ...EVENT_TYPES.filter((type) => {
        const { owner, publishers } = EVENTS[type];
        return owner !== service && publishers.includes(service);
      }).map((type) => subjectFilter(type, prefix)),
      ...broadcasts,
      `$JS.API.STREAM.INFO.${stream}`,
      `$JS.API.STREAM.CREATE.${stream}`,
      ...(service === STREAM_KEEPER ? [`$JS.API.STREAM.UPDATE.${stream}`] : []),
      `$JS.API.CONSUMER.INFO.${consumer}`,
      `$JS.API.CONSUMER.DURABLE.CREATE.${consumer}`,
      `$JS.API.CONSUMER.MSG.NEXT.${consumer}`,
      `$JS.ACK.${consumer}.>`,
    ],
    subscribe: [`${inboxPrefix(service)}.>`, ...broadcasts],
  };
}

/** Where the server answers this user, and nobody else may listen. */
export function inboxPrefix(user: string): string {
  return `_INBOX.${encodeToken(user)}`;
}

export const SERVICES: readonly ServiceName[] = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];

/** The users as nats-server reads them. `system` is who administers the stream, with nats stream and nats consumer. */
export function usersConfiguration(prefix = SUBJECT_PREFIX): string {
  const list = (subjects: readonly string[]): string =>
    subjects.map((subject) => `            ${JSON.stringify(subject)}`).join('\n');
  const user = (service: ServiceName): string => {
    const { publish, subscribe } = natsPermissions(service, prefix);
    return `    {
      user: ${service}
      password: $NATS_PASSWORD_${service.toUpperCase()}
      permissions {
        publish {
          allow: [
${list(publish)}
          ]
        }
        subscribe {
          allow: [
${list(subscribe)}
          ]
        }
      }
    }`;
  };
  return `${HEAD}
authorization {
  users: [
${SERVICES.map(user).join('\n')}
    {
      user: system
      password: $NATS_PASSWORD_SYSTEM
    }
  ]
}
`;
}

const HEAD = `# The users of Lastcall on NATS, made of the table of events (libs/bus/src/jetstream/permissions.ts). Included by server.conf and
# cluster.conf. LASTCALL_DRAW=1 npm run test:unit -- permissions writes it anew.
#
# Passwords come from the environment: NATS_PASSWORD_CATALOG, _SCHEDULER, _PREFLIGHT, _SESSION, _INSTALLER, and _SYSTEM for whoever
# administers the stream. nats-server reads them as values of this file: begin with a letter, or put them in quotes.
`;
