import { Acknowledgements } from './acknowledgements.js';
import { Notices } from './notices.js';

it('a notice keeps its number, in whatever bytes it comes', () => {
  let reads = 0;
  const notices = new Notices((bytes) => {
    reads++;
    return { id: bytes.toString('utf8').slice(0, 2), bytes: bytes.length };
  });
  const number = (text: string): number => notices.numberOf(Buffer.from(`..${text}..`), 2, 2 + text.length);
  expect([number('n1 en'), number('n1 en'), number('n2 en'), number('n1 de'), number('n1 de')]).toEqual([
    0, 0, 1, 0, 0,
  ]);
  expect([reads, notices.changes, notices.count]).toEqual([3, 3, 2]);
  expect(notices.facts(0)).toEqual({ id: 'n1', bytes: 5 });
});

it('acknowledgements are encoded once for each slot, and for all in one piece', () => {
  let encodings = 0;
  const acknowledgements = new Acknowledgements(2, (notice, slot) => {
    encodings++;
    return Buffer.from(`${notice}/${slot};`);
  });
  expect(acknowledgements.ofAll(7).toString()).toBe('7/0;7/1;');
  expect(acknowledgements.of(7, 1).toString()).toBe('7/1;');
  expect(encodings).toBe(2);
  expect(() => acknowledgements.of(7, 2)).toThrow('2 slots');
});
