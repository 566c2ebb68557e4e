import { parseArgs } from 'node:util';
import { fuzzCalls } from './fuzz-calls.js';
import { startTarget } from './target.js';

/* `npm run fuzz`: mutated messages against a real `lastcall up`; progress on stderr, one line of JSON on stdout. */

const MAX_GROWTH_BYTES = 100 * 1024 * 1024;
const MAX_STALL_MS = 200;

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
  const isGood =
    calls.findings.length === 0 && calls.memoryGrowthBytes <= MAX_GROWTH_BYTES && calls.ownStallMs <= MAX_STALL_MS;
  for (const finding of calls.findings) say(finding);
  process.stdout.write(`${JSON.stringify({ seed, isGood, calls })}\n`);
  process.exitCode = isGood ? 0 : 1;
}

void run();
