import { parseArgs } from 'node:util';
import { fuzzCalls } from './fuzz-calls.js';
import { fuzzEvents } from './fuzz-events.js';
import { startTarget } from './target.js';

/* `npm run fuzz`: mutated messages against a real `lastcall up`; progress on stderr, one line of JSON on stdout. */

const MAX_GROWTH_BYTES = 100 * 1024 * 1024;
const MAX_STALL_MS = 200;
const OVER_THE_BUS = 0.1;

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: { messages: { type: 'string', default: '20000' }, seed: { type: 'string', default: '1' } },
  });
  const [messages, seed] = [Number(values.messages), Number(values.seed)];
  if (!Number.isInteger(messages) || messages < 100 || !Number.isInteger(seed)) {
    throw new Error('--messages must be a whole number from 100 on, --seed a whole number');
  }
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const target = await startTarget();
  const calls = await fuzzCalls({ messages, seed, target, agentShare: 0.05, say }).finally(() => target.stop());
  const events = await fuzzEvents(seed, Math.round(messages * OVER_THE_BUS));
  say(`${events.messages} events over the bus (${events.bus}), ${events.deadLetters} put aside`);
  const findings = [...calls.findings, ...events.findings];
  const ownStallMs = Math.max(calls.ownStallMs, events.ownStallMs);
  const isGood = findings.length === 0 && calls.memoryGrowthBytes <= MAX_GROWTH_BYTES && ownStallMs <= MAX_STALL_MS;
  for (const finding of findings) say(finding);
  process.stdout.write(`${JSON.stringify({ seed, isGood, calls, events })}\n`);
  process.exitCode = isGood ? 0 : 1;
}

void run();
