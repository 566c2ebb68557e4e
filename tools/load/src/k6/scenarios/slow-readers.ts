import { until } from '@lastcall/testkit';
import { equal, holds } from '../results.js';
import type { Scenario, Stage } from '../scenario.js';
import type { LoadOptions } from '../options.js';
import { attachSlowReaders, type SlowReader } from '../slow-reader.js';
import { countIs, everybodyIsIn } from './steps.js';

const SHARE = 0.05;
const MESSAGES = 6;
const TEXT_CHARS = 4_000;
/** Less than the messages are together; the default would take too many of them. */
const QUEUE_BYTES = 16_384;

const slowOf = ({ clients }: LoadOptions): number => Math.max(1, Math.round(clients * SHARE));

/** Some do not read: they are dropped with a reason, the others notice nothing, and who reads again comes back and is told. */
export const slowReaders: Scenario = {
  name: 'slow-readers',
  sessionEnv: { LASTCALL_MAX_QUEUED_BYTES: String(QUEUE_BYTES) },
  clientsOfK6: (options) => options.clients - slowOf(options),
  script: () => ({ messages: MESSAGES, textChars: TEXT_CHARS }),
  conduct: async (stage) => {
    const { place, options, stations, clients, say, check } = stage;
    const slow = await attachSlowReaders(place, slowOf(options));
    try {
      await everybodyIsIn(stage, options.clients);
      const newest = await tellAll(stage);
      say(`${slow.length} do not read; the others have all ${MESSAGES} messages`);
      await dropped(stage, slow);
      const back = await Promise.all(slow.map((reader) => reader.comeBack(newest)));
      check(
        equal('slow readers that came back as the same session', back.filter(({ same }) => same).length, slow.length),
      );
      const told = back.filter((reader) => reader.told).length;
      check(equal('slow readers that were told the newest message when they were back', told, slow.length));
      await stations.reached('left', clients, stage.patienceMs);
      await Promise.all(slow.map((reader) => reader.leave()));
      await countIs(stage, 'sessions when all have logged off', 0);
    } finally {
      for (const reader of slow) reader.close();
    }
  },
};

/** One after the other: a replica that is told of a state does not see the one before. */
async function tellAll({ place, stations, clients, patienceMs }: Stage): Promise<string> {
  let newest = '';
  for (let i = 1; i <= MESSAGES; i++) {
    newest = await place.sendNotice(`${i} `.padEnd(TEXT_CHARS, 'Please read this. '));
    await stations.reached(`told-${i}`, clients, patienceMs);
  }
  return newest;
}

async function dropped({ place, check, figure }: Stage, slow: readonly SlowReader[]): Promise<void> {
  const all = async (): Promise<boolean> => (await place.list()).filter(({ lost }) => lost).length === slow.length;
  await until(all, 'slow readers to be dropped', 10_000).catch(() => undefined);
  const lost = (await place.list()).filter((session) => session.lost);
  check(equal('sessions that the service lists as lost', lost.length, slow.length));
  const strangers = lost.filter(({ user }) => !slow.some((reader) => reader.user === user));
  check(equal('readers that were dropped and are not slow', strangers.length, 0));
  // What was waiting for them, and then the reason.
  const ends = await Promise.all(slow.map((reader) => reader.readAgain()));
  check(
    equal('slow readers that were told why', ends.filter(({ reason }) => reason === 'CONNECTION').length, slow.length),
  );
  check(
    holds(
      'none was told twice',
      ends.every(({ repeated }) => repeated === 0),
      ends.filter((e) => e.repeated > 0).length,
    ),
  );
  figure(
    'messagesReadLate',
    ends.reduce((total, { messages }) => total + messages, 0),
  );
}
