import { catalogModule } from '@lastcall/catalog';
import { EVENTS, operationsV1, type EventEnvelope } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { preflightModule } from '@lastcall/preflight';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { natsUrl, startStack, until, type Stack } from '@lastcall/testkit';
import { INSTALLATIONS } from './hostile-values.js';
import { createMessageGenerator } from './message-generator.js';
import { readContracts } from './message-types.js';
import { startMonitor } from './monitor.js';
import { createRandom, type Random } from './random.js';

/*
 * All services on one bus (NATS where LASTCALL_TEST_NATS_URL names one), and mutated events on it: `SEED COUNT ROOT`. What a service cannot take in
 * is put aside by it; all else goes on.
 */

const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
const TYPES = Object.keys(EVENTS);
/** A bad event is given up soon. */
const TUNING = { retryDelaysMs: [1], faultPatienceMs: 100, maxDelayMs: 50 };
const AT_A_TIME = 50;

async function run(seed: number, count: number, root: string): Promise<void> {
  const bus = natsUrl() === undefined ? 'embedded' : 'nats';
  const stack = await startStack({ modules: MODULES, bus, busTuning: TUNING });
  startMonitor();
  process.stdout.write('ready\n');
  const random = createRandom(seed);
  const generator = createMessageGenerator(readContracts(root), random);
  for (let sent = 0; sent < count; sent += AT_A_TIME) {
    const events = Array.from({ length: Math.min(AT_A_TIME, count - sent) }, (_, i) => {
      const type = random.pick(TYPES);
      return eventOf(type, generator.make(`.lastcall.events.v1.${type}`, type), seed * 1e6 + sent + i, random);
    });
    // What the bus itself does not take is refused to its publisher.
    await Promise.allSettled(events.map((event) => stack.bus.publish(event)));
  }
  const letters = await deadLettersWhenQuiet(stack);
  const strange = letters.filter(({ reason }) =>
    /Cannot read|is not a function|is not iterable|undefined|BigInt/.test(reason),
  );
  const findings = [
    ...new Map(strange.map((l) => [`${l.consumer} ${l.event}`, `${l.consumer} at ${l.event}: ${l.reason}`])).values(),
  ];
  process.stdout.write(`done ${JSON.stringify({ bus, messages: count, deadLetters: letters.length, findings })}\n`);
  process.once('SIGTERM', () => void stack.stop().then(() => process.exit(0)));
}

function eventOf(type: string, data: Buffer, sequence: number, random: Random): EventEnvelope {
  const source = `catalog/fuzz/${random.below(40)}`;
  const installation = random.pick(INSTALLATIONS);
  return { id: `${source}@${sequence}`, type, source, sequence, installation, time: Date.now(), data };
}

/** Of all services, when no more have come for a while. */
async function deadLettersWhenQuiet(stack: Stack): Promise<readonly operationsV1.DeadLetter[]> {
  const operations = stack.client(operationsV1.OperationsServiceService);
  const read = async (): Promise<operationsV1.DeadLetter[]> => {
    const all: operationsV1.DeadLetter[] = [];
    let pageToken = '';
    do {
      const page = await operations.listDeadLetters({ pageSize: 500, pageToken });
      all.push(...page.deadLetters);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return all;
  };
  let before = -1;
  let letters: operationsV1.DeadLetter[] = [];
  let quietSince = performance.now();
  await until(
    async () => {
      letters = await read();
      if (letters.length !== before) quietSince = performance.now();
      before = letters.length;
      return performance.now() - quietSince > 1_500;
    },
    'the bus to be quiet',
    60_000,
  );
  return letters;
}

void run(Number(process.argv[2]), Number(process.argv[3]), process.argv[4] ?? '');
