/** Tells that something was put into an outbox: once for all writes of a turn. */
export class OutboxSignal {
  private readonly listeners = new Set<() => void>();
  private raised = false;

  listen(wake: () => void): () => void {
    const listener = (): void => wake();
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  raise(): void {
    if (this.raised) return;
    this.raised = true;
    queueMicrotask(() => {
      this.raised = false;
      for (const listener of [...this.listeners]) listener();
    });
  }
}
