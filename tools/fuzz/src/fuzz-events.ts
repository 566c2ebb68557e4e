import { startProgram } from '@lastcall/testkit';
import { resolve } from 'node:path';
import { ROOT } from './message-types.js';
import type { Measured } from './monitor.js';
import { createMeasure } from './target.js';

/* Mutated events on the bus of a process that has all services. */

export interface EventsReport {
  readonly bus: 'embedded' | 'nats';
  readonly messages: number;
  /** Events that a service could not take in and put aside. */
  readonly deadLetters: number;
  readonly findings: readonly string[];
  readonly memoryGrowthBytes: number;
  readonly stallMs: number;
  readonly ownStallMs: number;
}

const TIMEOUT_MS = 3_600_000;

export async function fuzzEvents(seed: number, messages: number, say: (text: string) => void): Promise<EventsReport> {
  const entry = resolve(__dirname, '../src/bus-main.ts');
  const child = startProgram(entry, [String(seed), String(messages), ROOT], { LASTCALL_TEST_LOG: 'fatal' });
  try {
    await child.until(/^ready$/, 60_000);
    child.onLine((line) => line.startsWith('sent ') && say(`${line} of ${messages} events`));
    const measure = createMeasure(child);
    await child.until(/^warm$/, TIMEOUT_MS);
    const before = await measure();
    const [, json = ''] = await child.until(/^done (.*)$/, TIMEOUT_MS);
    const after: Measured = await measure();
    const report = JSON.parse(json) as Pick<EventsReport, 'bus' | 'messages' | 'deadLetters' | 'findings'>;
    return {
      ...report,
      memoryGrowthBytes: after.memoryBytes - before.memoryBytes,
      stallMs: Math.max(before.stallMs, after.stallMs),
      ownStallMs: Math.max(before.ownStallMs, after.ownStallMs),
    };
  } finally {
    await child.stop();
  }
}
