/*
 * In which collections to look for unpublished events. A relay looks after each write of its process, and then only where
 * that process has put something: a service has many collections, and asking all of them each time was a third of what an
 * event took. Everything is looked through at least once a second, because others write too, and a process that died did.
 */

const LOOK_EVERYWHERE_MS = 1_000;

export class FilledOutboxes {
  private readonly names = new Set<string>();
  private lookedAt = -Infinity;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** This process has put an event into an outbox of the collection. */
  filled(name: string): void {
    this.names.add(name);
  }

  /** Reads where something may be: where this process has written since it was last found empty, or everywhere. */
  async read<E>(
    all: ReadonlySet<string>,
    read: (names: readonly string[]) => Promise<readonly E[]>,
  ): Promise<readonly E[]> {
    const began = this.now();
    const everywhere = this.names.size === 0 || began - this.lookedAt >= LOOK_EVERYWHERE_MS;
    const names = everywhere ? [...all] : [...this.names];
    const marked = [...this.names];
    // Marks of writes that come from here on are newer than the reading and stay.
    this.names.clear();
    try {
      const events = await read(names);
      // Those that were found are to be looked after until nothing is.
      if (events.length > 0) for (const name of marked) this.names.add(name);
      if (everywhere) this.lookedAt = began;
      return events;
    } catch (error) {
      for (const name of marked) this.names.add(name);
      throw error;
    }
  }
}
