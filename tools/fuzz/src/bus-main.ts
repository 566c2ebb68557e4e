import { openBus } from '@lastcall/bus';
import { catalogModule } from '@lastcall/catalog';
import { EVENT_TYPES, EVENTS, operationsV1, type EventEnvelope, type EventType } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { orThrow, randomId } from '@lastcall/kernel';
import { preflightModule } from '@lastcall/preflight';
import { createLogger, ensureIdentity, readSettings, startProcess } from '@lastcall/runtime';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { createClient, openChannel, type UnaryClient } from '@lastcall/sdk';
import { createTempFolder, dropNatsStream, natsUrl, signerOf, until } from '@lastcall/testkit';
import { join } from 'node:path';
import { INSTALLATIONS } from './hostile-values.js';
import { createMessageGenerator } from './message-generator.js';
import { readContracts } from './message-types.js';
import { startMonitor } from './monitor.js';
import { createRandom, type Random } from './random.js';

/*
 * All services on one bus (NATS where LASTCALL_TEST_NATS_URL names one), and mutated events on it: `SEED COUNT ROOT`. What a service cannot take in
 * is put aside by it; all else goes on. Says `ready`, `warm` when the memory is to be looked at first, and `done {…}`.
 */

const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];
/** A bad event is given up soon. */
const TUNING = { retryDelaysMs: [1], faultPatienceMs: 100, maxDelayMs: 50 };
const AT_A_TIME = 50;
const SAY_EACH = 10_000;
/** As of the calls. */
const WARM_UP = 0.2;
const PATIENCE_MS = 3_600_000;
const MISTAKE = /Cannot read|is not a function|is not iterable|undefined|BigInt/;

async function run(seed: number, count: number, root: string): Promise<void> {
  const folder = await createTempFolder('fuzz-bus');
  const { bus, kind, operations, stop } = await startServices(folder.path);
  startMonitor();
  process.stdout.write('ready\n');
  const random = createRandom(seed);
  const generator = createMessageGenerator(readContracts(root), random);
  let isWarm = false;
  for (let sent = 0; sent < count; sent += AT_A_TIME) {
    const events = Array.from({ length: Math.min(AT_A_TIME, count - sent) }, (_, i) => {
      const type = random.pick(EVENT_TYPES);
      return eventOf(type, generator.make(`.lastcall.events.v1.${type}`, type), seed * 1e6 + sent + i, random);
    });
    // What the bus itself does not take is refused to its publisher.
    await Promise.allSettled(events.map((event) => bus.publish(event)));
    if (sent % SAY_EACH === 0) process.stdout.write(`sent ${sent}\n`);
    if (isWarm || sent < count * WARM_UP) continue;
    isWarm = true;
    process.stdout.write('warm\n');
  }
  const { count: deadLetters, findings } = await deadLettersWhenQuiet(operations);
  process.stdout.write(`done ${JSON.stringify({ bus: kind, messages: count, deadLetters, findings })}\n`);
  process.once(
    'SIGTERM',
    () =>
      void stop()
        .then(() => folder.remove())
        .then(() => process.exit(0)),
  );
}

type Operations = UnaryClient<typeof operationsV1.OperationsServiceService>;

/** Not testkit's: that one keeps every event that it sees. */
async function startServices(dataDir: string) {
  const kind = natsUrl() === undefined ? 'embedded' : 'nats';
  const prefix = randomId('fuzz');
  await ensureIdentity(join(dataDir, 'identity'));
  const url = natsUrl() ?? '';
  const bus = await openBus({ url, file: join(dataDir, 'bus.db'), prefix, tuning: TUNING });
  const addresses = { grpcAddress: '127.0.0.1:0', httpAddress: '127.0.0.1:0' };
  const options = { ...addresses, dataDir, prefix, bus: url, stopTimeoutMs: 5_000 };
  const settings = orThrow(readSettings({ modules: MODULES, env: {}, options }));
  const running = await startProcess({ modules: MODULES, settings, bus, log: createLogger('fatal') });
  const admin = signerOf(join(dataDir, 'identity'))({ sub: 'fuzz', role: 'admin' });
  const channel = openChannel({ address: running.grpcAddress, credential: () => admin });
  const stop = async (): Promise<void> => {
    channel.close();
    await running.stop();
    await bus.close();
    if (url !== '') await dropNatsStream(url, prefix);
  };
  return { bus, kind, operations: createClient(operationsV1.OperationsServiceService, channel), stop };
}

/** Of a service that says it: from another one nobody would even look at it. */
function eventOf(type: EventType, data: Buffer, sequence: number, random: Random): EventEnvelope {
  const source = `${random.pick(EVENTS[type].publishers)}/fuzz/${random.below(40)}`;
  const installation = random.pick(INSTALLATIONS);
  return { id: `${source}@${sequence}`, type, source, sequence, installation, time: Date.now(), data };
}

interface Letters {
  readonly count: number;
  /** Reasons that are a mistake of ours, one for each consumer and event. */
  readonly findings: readonly string[];
}

const OWN = { service: '', ownProcess: true } as const;

/** Of all services, when no more have come for a while. Looked at page by page: there may be very many. */
async function deadLettersWhenQuiet(operations: Operations): Promise<Letters> {
  let newest: string | undefined;
  let quietSince = performance.now();
  await until(
    async () => {
      const [first] = (await operations.listDeadLetters({ ...OWN, pageSize: 1, pageToken: '' })).deadLetters;
      if (first?.name !== newest) quietSince = performance.now();
      newest = first?.name;
      return performance.now() - quietSince > 3_000;
    },
    'the bus to be quiet',
    PATIENCE_MS,
  );
  let count = 0;
  let pageToken = '';
  const strange = new Map<string, string>();
  do {
    const page = await operations.listDeadLetters({ ...OWN, pageSize: 500, pageToken });
    count += page.deadLetters.length;
    for (const { consumer, event, reason } of page.deadLetters) {
      if (MISTAKE.test(reason)) strange.set(`${consumer} ${event}`, `${consumer} at ${event}: ${reason}`);
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return { count, findings: [...strange.values()] };
}

void run(Number(process.argv[2]), Number(process.argv[3]), process.argv[4] ?? '');
