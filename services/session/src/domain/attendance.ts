import type { DrainCounts } from './gate-state.js';

/*
 * What became of each user of a logoff. Facts come in pieces, from several replicas, twice and in any order; together they are the same
 * whatever the order.
 */

/** How a session ended. `left` and `ready`: by its user; `lost`: its connection was lost and did not come back. */
export type Departure = 'left' | 'ready' | 'deadline' | 'lost';

/** A piece of what is known of a session. Times by the store's clock. */
export interface Fact {
  readonly session: string;
  readonly user?: string;
  readonly displayName?: string;
  readonly host?: string;
  /** Notice that `receivedAt` and `readAt` are about. */
  readonly notice?: string;
  readonly sentAt?: number;
  readonly receivedAt?: number;
  readonly readAt?: number;
  readonly readyAt?: number;
  readonly departure?: Departure;
  readonly endAt?: number;
}

export type Attendance = Omit<Fact, 'notice'>;

export type AttendanceBook = Map<string, Attendance>;

/** Puts what a fact says into the book. */
export function enter(book: AttendanceBook, { notice: _, ...fact }: Fact): void {
  const known = book.get(fact.session);
  book.set(fact.session, known ? together(known, fact) : fact);
}

function together(a: Attendance, b: Attendance): Attendance {
  const last = endOf(a, b);
  return {
    ...b,
    ...a,
    ...earliest('sentAt', a, b),
    ...earliest('receivedAt', a, b),
    ...earliest('readAt', a, b),
    ...earliest('readyAt', a, b),
    ...(last.endAt !== undefined && { endAt: last.endAt }),
    ...(last.departure && { departure: last.departure }),
  };
}

/** The last one. Whoever was lost at one replica may have come back at another, which the first one's heirs may learn later. */
function endOf(a: Attendance, b: Attendance): Attendance {
  const isLost = (one: Attendance): boolean => (one.departure ?? 'lost') === 'lost';
  if (isLost(a) !== isLost(b)) return isLost(a) ? b : a;
  return (a.endAt ?? -1) >= (b.endAt ?? -1) ? a : b;
}

type Moment = 'sentAt' | 'receivedAt' | 'readAt' | 'readyAt';

function earliest(moment: Moment, a: Attendance, b: Attendance): Partial<Record<Moment, number>> {
  const at = Math.min(a[moment] ?? Infinity, b[moment] ?? Infinity);
  return at === Infinity ? {} : { [moment]: at };
}

export function countsOf(book: AttendanceBook): DrainCounts {
  const counts = { told: book.size, acknowledged: 0, read: 0, left: 0, ready: 0, ended: 0 };
  for (const { receivedAt, readAt, departure } of book.values()) {
    counts.acknowledged += Number(receivedAt !== undefined);
    counts.read += Number(readAt !== undefined);
    counts.left += Number(departure === 'left' || departure === 'ready');
    counts.ready += Number(departure === 'ready');
    counts.ended += Number(departure === 'deadline');
  }
  return counts;
}
