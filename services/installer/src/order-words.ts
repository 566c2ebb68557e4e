import type { hostOrderV1 } from '@lastcall/contracts';

/*
 * What a host says about orders that are under way, on its way to the store. Acceptance and progress wait a moment: an order
 * that is finished meanwhile needs neither, and of several words about one order the last is enough. Nothing that must
 * not be lost passes here; results do not.
 */

export interface OrderWord {
  readonly order: string;
  /** Absent: accepted, and no more than that. */
  readonly progress?: hostOrderV1.OrderProgress;
}

export interface OrderWords {
  offer(word: OrderWord): void;
  /** The order is finished. */
  drop(order: string): void;
  stop(): void;
}

export interface OrderWordsOptions {
  readonly firstMs: number;
  readonly everyMs: number;
  readonly write: (word: OrderWord) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

interface Lane {
  readonly timer: NodeJS.Timeout;
  waiting?: OrderWord;
}

/** Of several words the last is enough, but for what people should know. */
function withNote(word: OrderWord, before: OrderWord | undefined): OrderWord {
  const note = before?.progress?.note ?? '';
  if (note === '' || !word.progress || word.progress.note !== '') return word;
  return { ...word, progress: { ...word.progress, note } };
}

export function createOrderWords({ firstMs, everyMs, write, onError }: OrderWordsOptions): OrderWords {
  const lanes = new Map<string, Lane>();

  function open(order: string, delayMs: number, waiting?: OrderWord): void {
    lanes.set(order, { timer: setTimeout(() => flush(order), delayMs).unref(), ...(waiting && { waiting }) });
  }

  function flush(order: string): void {
    const waiting = lanes.get(order)?.waiting;
    lanes.delete(order);
    if (!waiting) return;
    open(order, everyMs);
    write(waiting).catch(onError);
  }

  function drop(order: string): void {
    clearTimeout(lanes.get(order)?.timer);
    lanes.delete(order);
  }

  return {
    offer: (word) => {
      const lane = lanes.get(word.order);
      if (!lane) open(word.order, firstMs, word);
      else if (word.progress || !lane.waiting) lane.waiting = withNote(word, lane.waiting);
    },
    drop,
    stop: () => [...lanes.keys()].forEach(drop),
  };
}
