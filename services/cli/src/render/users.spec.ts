import { sessionV1 } from '@lastcall/contracts';
import { attendanceText } from './attendance.js';
import { policyLines } from './policy.js';

const { Departure } = sessionV1;
const at = (text: string): Date => new Date(`2026-11-24T${text}Z`);

describe('what became of the users', () => {
  const one = (user: string, more: Partial<sessionV1.Attendance> = {}): sessionV1.Attendance =>
    sessionV1.Attendance.fromPartial({ user, session: `s-${user}`, sentTime: at('21:00:00'), ...more });

  it('is nothing when nobody was inside', () => expect(attendanceText([], 'UTC', false)).toBe(''));

  it('shows each step, and first those who were logged off', () => {
    const ada = one('ada', {
      ...{ displayName: 'Ada', host: 'ts-1', departure: Departure.READY, endTime: at('21:03:00') },
      ...{ receivedTime: at('21:00:01'), readTime: at('21:01:00'), readyTime: at('21:02:00') },
    });
    const bob = one('bob', { departure: Departure.DEADLINE, endTime: at('21:05:00') });
    expect(attendanceText([ada, bob], 'Europe/Berlin', false).split('\n')).toEqual([
      'Users who were told:',
      'USER  NAME  HOST  SENT (Europe/Berlin)  RECEIVED  READ      READY     ENDED     HOW       SESSION',
      'bob   -     -     22:00:00              -         -         -         22:05:00  deadline  s-bob',
      'ada   Ada   ts-1  22:00:00              22:00:01  22:01:00  22:02:00  22:03:00  ready     s-ada',
      '',
    ]);
  });

  it('shows the first of many, and everybody when that is wanted', () => {
    const many = Array.from({ length: 52 }, (_, i) => one(`u${i}`, { departure: i === 51 ? Departure.LOST : Departure.LEFT })); // prettier-ignore
    const some = attendanceText([...many, one('inside')], 'UTC', false).split('\n');
    expect(some).toHaveLength(54);
    expect(some[2]).toMatch(/^inside .* inside /);
    expect(some[3]).toMatch(/^u51 .* lost /);
    expect(some.at(-2)).toBe('… and 3 more users; "run report --users" lists everybody');
    expect(attendanceText(many, 'UTC', true).split('\n')).toHaveLength(55);
  });
});

describe('session settings', () => {
  const text = (policy?: Partial<sessionV1.SessionPolicy>): Record<string, string | undefined> =>
    Object.fromEntries(policyLines(policy && sessionV1.SessionPolicy.fromPartial(policy)));

  it('say what holds when nothing is set', () => {
    const defaults = {
      Announced: '24 h, 1 h, 15 min, 5 min before a planned run',
      Holds: 'up to 4 h each, 200 in a run, 4 h altogether',
      Reopening: '1,000 waiting clients in 10 s',
    };
    expect(text()).toMatchObject(defaults);
    expect(text({})).toMatchObject(defaults);
  });

  it('say what is set', () => {
    const longest = { seconds: 600n, nanos: 0 };
    expect(
      text({
        announceBefore: [{ seconds: 7_200n, nanos: 0 }],
        holds: { longest, maxCount: 3, maxTotalDelay: undefined, needsApproval: true },
        reopeningRamp: { seconds: 0n, nanos: 0 },
      }),
    ).toMatchObject({
      Announced: '2 h before a planned run',
      Holds: 'up to 10 min each, 3 in a run, 4 h altogether, each with the consent of a second person',
      Reopening: '1,000 waiting clients in 0 s',
    });
    expect(text({ announcementsOff: true })).toMatchObject({ Announced: 'with the final notice only' });
  });
});
