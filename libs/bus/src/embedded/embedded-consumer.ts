import type { Consumer } from '../port.js';
import { SourceDispatcher } from '../source-dispatcher.js';
import type { BusLog, BusTuning } from '../tuning.js';
import type { Journal, JournalEntry } from './journal.js';

/**
 * One consumer of the embedded bus: reads its pending events from the journal, in order, each once. It holds a bounded
 * number in memory and reads on as they get done.
 */
export class EmbeddedConsumer {
  private readonly dispatcher: SourceDispatcher;
  /** Position of the last event that was read. */
  private cursor = 0;
  /** Whether the journal may have more than what was read. */
  private behind = true;
  private stopped = false;

  constructor(
    private readonly consumer: Consumer,
    private readonly journal: Journal,
    private readonly options: { readonly tuning: BusTuning; readonly log: BusLog },
    private readonly acknowledge: (position: number) => void,
  ) {
    this.dispatcher = new SourceDispatcher(consumer, options.tuning, options.log);
  }

  /** Called when the journal may have something new. */
  fill(): void {
    this.behind = true;
    this.read();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.dispatcher.stop();
  }

  private read(): void {
    const room = this.options.tuning.maxUnacknowledged - this.dispatcher.size;
    if (this.stopped || !this.behind || room <= 0) return;
    for (const { position, envelope } of this.pending(room)) {
      this.cursor = position;
      this.dispatcher.offer({ envelope, acknowledge: () => this.acknowledged(position) });
    }
  }

  private pending(limit: number): readonly JournalEntry[] {
    try {
      const entries = this.journal.pendingAfter(this.consumer.name, this.cursor, limit);
      this.behind = entries.length === limit;
      return entries;
    } catch (error) {
      // Still behind: the next event, or the next acknowledgement, reads again.
      this.options.log.error({ consumer: this.consumer.name, err: error }, 'journal cannot be read');
      return [];
    }
  }

  private acknowledged(position: number): void {
    this.acknowledge(position);
    this.read();
  }
}
