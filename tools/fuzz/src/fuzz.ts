import { parseArgs } from 'node:util';
import { fuzzCalls, type CallsReport } from './fuzz-calls.js';
import { fuzzEvents, type EventsReport } from './fuzz-events.js';
import { startTarget } from './target.js';

/* `npm run fuzz`: mutated messages against a real `lastcall up`; progress on stderr, one line of JSON on stdout. */

const MAX_GROWTH_BYTES = 100 * 1024 * 1024;
const MAX_STALL_MS = 200;
const OVER_THE_BUS = 0.1;

type Say = (text: string) => void;

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      messages: { type: 'string', default: '20000' },
      events: { type: 'string' },
      seed: { type: 'string', default: '1' },
    },
  });
  const messages = numberOf('messages', values.messages);
  const seed = numberOf('seed', values.seed);
  const count = values.events === undefined ? Math.round(messages * OVER_THE_BUS) : numberOf('events', values.events);
  const say: Say = (text) => void process.stderr.write(`${text}\n`);
  const calls = messages === 0 ? undefined : await toEveryMethod(messages, seed, say);
  const events = count === 0 ? undefined : await overTheBus(count, seed, say);
  const parts = [calls, events].filter((part) => part !== undefined);
  const isGood = parts.every(
    (part) =>
      part.findings.length === 0 && part.memoryGrowthBytes <= MAX_GROWTH_BYTES && part.ownStallMs <= MAX_STALL_MS,
  );
  for (const finding of parts.flatMap((part) => part.findings)) say(finding);
  process.stdout.write(`${JSON.stringify({ seed, isGood, calls, events })}\n`);
  process.exitCode = isGood ? 0 : 1;
}

function numberOf(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${option} must be a whole number from 0 to 999999999, not "${text}"`);
  return Number(text);
}

async function toEveryMethod(messages: number, seed: number, say: Say): Promise<CallsReport> {
  const target = await startTarget();
  const report = await fuzzCalls({ messages, seed, target, agentShare: 0.05, say }).finally(() => target.stop());
  // Said at once: what comes behind it takes a while, too.
  say(JSON.stringify(report));
  return report;
}

async function overTheBus(count: number, seed: number, say: Say): Promise<EventsReport> {
  const events = await fuzzEvents(seed, count, say);
  say(`${events.messages} events over the bus (${events.bus}), ${events.deadLetters} put aside`);
  return events;
}

void run();
