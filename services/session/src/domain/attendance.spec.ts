import fc from 'fast-check';
import { countsOf, enter, type Attendance, type AttendanceBook, type Departure, type Fact } from './attendance.js';

function bookOf(facts: readonly Fact[]): AttendanceBook {
  const book: AttendanceBook = new Map();
  for (const fact of facts) enter(book, fact);
  return book;
}

const only = (facts: readonly Fact[]): Attendance | undefined => bookOf(facts).get('s');

it('is put together from its pieces', () => {
  const facts: Fact[] = [
    { session: 's', user: 'ann', displayName: 'Ann', host: 'ts1', sentAt: 1 },
    { session: 's', notice: 'n', receivedAt: 2 },
    { session: 's', notice: 'n', readAt: 3 },
    { session: 's', departure: 'left', endAt: 4 },
  ];
  const whole = { session: 's', user: 'ann', displayName: 'Ann', host: 'ts1', sentAt: 1, receivedAt: 2, readAt: 3 };
  expect(only(facts)).toEqual({ ...whole, departure: 'left', endAt: 4 });
});

it('keeps the first time of everything and the last end', () => {
  const facts: Fact[] = [
    { session: 's', sentAt: 5, receivedAt: 9, departure: 'lost', endAt: 10 },
    { session: 's', sentAt: 1, receivedAt: 12, departure: 'deadline', endAt: 20 },
  ];
  expect(only(facts)).toMatchObject({ sentAt: 1, receivedAt: 9, departure: 'deadline', endAt: 20 });
});

it('given a session that came back and left, when its first replica is found dead afterwards, then it was not lost', () => {
  const left: Fact = { session: 's', departure: 'left', endAt: 20 };
  const buried: Fact = { session: 's', departure: 'lost', endAt: 30 };
  expect(only([left, buried])).toMatchObject({ departure: 'left', endAt: 20 });
  expect(only([buried, left])).toMatchObject({ departure: 'left', endAt: 20 });
});

it('counts each session once', () => {
  const book = bookOf([
    { session: 'a', receivedAt: 1 },
    { session: 'a', receivedAt: 2, readAt: 2 },
    { session: 'a', departure: 'ready', endAt: 3 },
    { session: 'b', departure: 'left', endAt: 3 },
    { session: 'c', departure: 'deadline', endAt: 3 },
    { session: 'd', departure: 'lost', endAt: 3 },
    { session: 'e', sentAt: 1 },
  ]);
  expect(countsOf(book)).toEqual({ told: 5, acknowledged: 1, read: 1, left: 2, ready: 1, ended: 1 });
});

it('comes out the same in any order, duplicates included', () => {
  const departures: Departure[] = ['left', 'ready', 'deadline', 'lost'];
  const time = fc.integer({ min: 1, max: 50 });
  // A session ends once a moment.
  const end = fc.tuple(fc.constantFrom(...departures), time).map(([departure, at]) => ({
    departure,
    endAt: at * 4 + departures.indexOf(departure),
  }));
  const piece = fc.oneof(
    time.map((sentAt) => ({ user: 'ann', displayName: 'Ann', host: '', sentAt })),
    time.map((receivedAt) => ({ notice: 'n', receivedAt })),
    time.map((readAt) => ({ notice: 'n', readAt })),
    end,
  );
  const fact = fc.tuple(fc.constantFrom('a', 'b'), piece).map(([session, rest]): Fact => ({ session, ...rest }));
  fc.assert(
    fc.property(fc.array(fact, { maxLength: 20 }), fc.infiniteStream(fc.nat()), (facts, numbers) => {
      const keyed = facts.concat(facts.slice(0, 5)).map((each) => [numbers.next().value as number, each] as const);
      const shuffled = keyed.sort(([a], [b]) => a - b).map(([, each]) => each);
      expect(bookOf(shuffled)).toEqual(bookOf(facts));
    }),
  );
});
