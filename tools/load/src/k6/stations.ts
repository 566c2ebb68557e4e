/*
 * How far the clients are, as k6 says it in lines `station NAME COUNT`, and waiting for them. The wait ends with the line; the time only
 * bounds it.
 */

export interface Stations {
  /** Clients that have reached it so far. */
  count(station: string): number;
  /** Resolves when so many have. Rejects when that takes too long, and when nothing more is to come. */
  reached(station: string, clients: number, timeoutMs: number): Promise<void>;
  /** False: it is no such line. */
  hear(line: string): boolean;
  /** Rejects whoever waits. */
  close(why: string): void;
}

interface Waiter {
  readonly station: string;
  readonly clients: number;
  resolve(): void;
  reject(error: Error): void;
}

const LINE = /^station (?<station>\S+) (?<count>\d+)$/;

export function createStations(): Stations {
  const counts = new Map<string, number>();
  const waiters = new Set<Waiter>();
  let closed: string | undefined;
  const count = (station: string): number => counts.get(station) ?? 0;
  const shortOf = ({ station, clients }: Pick<Waiter, 'station' | 'clients'>, why: string): Error =>
    new Error(`${count(station)} of ${clients} clients have reached "${station}": ${why}`);
  return {
    count,
    reached: (station, clients, timeoutMs) => {
      if (count(station) >= clients) return Promise.resolve();
      if (closed !== undefined) return Promise.reject(shortOf({ station, clients }, closed));
      return new Promise((resolve, reject) => {
        const done = (settle: () => void): void => {
          clearTimeout(timer);
          waiters.delete(waiter);
          settle();
        };
        const waiter: Waiter = {
          station,
          clients,
          resolve: () => done(resolve),
          reject: (error) => done(() => reject(error)),
        };
        const timer = setTimeout(() => waiter.reject(shortOf(waiter, `waited ${timeoutMs} ms`)), timeoutMs);
        waiters.add(waiter);
      });
    },
    hear: (line) => {
      const { station, count: more } = LINE.exec(line)?.groups ?? {};
      if (station === undefined) return false;
      counts.set(station, count(station) + Number(more));
      for (const waiter of waiters) {
        if (waiter.station === station && count(station) >= waiter.clients) waiter.resolve();
      }
      return true;
    },
    close: (why) => {
      closed = why;
      for (const waiter of waiters) waiter.reject(shortOf(waiter, why));
    },
  };
}
