import { DatabaseSync } from 'node:sqlite';
import { copyFileSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DAY_MS } from '@lastcall/kernel';
import { createOrderBook, type OrderCommand } from './domain/order-book.js';
import type { Order } from './domain/order.js';
import { isOutOfSpace, openJournal, readJournal } from './journal.js';

const decider = createOrderBook({ installation: 'berlin', host: 'srv', product: 'encore' });
const AT = 1_000;

function orderOf(id: string, fence = 1): Order {
  const action = { kind: 'stage-release', product: 'encore', version: '11.1.0' } as const;
  return { order: id, installation: 'berlin', host: 'srv', run: '', fence, deadlineAt: 0, action };
}
function receive(id: string, fence = 1): OrderCommand {
  return { type: 'receive', order: orderOf(id, fence), at: AT, installedVersion: '' };
}
const begin = (order: string): OrderCommand => ({ type: 'begin', order, at: AT, installedVersion: '' });

describe('the journal', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'lastcall-journal-'))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const file = (name = 'journal.db') => join(dir, name);

  it('remembers after it was opened again', () => {
    const journal = openJournal(file(), decider);
    journal.record(receive('a', 7), begin('a'));
    journal.close();
    const again = openJournal(file(), decider);
    expect(again.book.orders.get('a')).toMatchObject({ phase: 'running' });
    expect(again.book.fence).toBe(7);
    again.close();
  });

  it('passes over what a newer agent has recorded, and ends orders that only that one could do', () => {
    const journal = openJournal(file(), decider);
    journal.record(receive('a'), begin('a'));
    journal.close();
    const database = new DatabaseSync(file());
    const add = (order: string, event: object): unknown =>
      database.prepare('INSERT INTO events (order_id, event) VALUES (?, ?)').run(order, JSON.stringify(event));
    add('a', { type: 'paused', order: 'a', at: AT });
    for (const order of ['waiting', 'running']) {
      const wire = { ...orderOf(order), action: { kind: 'polish-disks', product: 'encore' } };
      add(order, { type: 'accepted', order: wire, at: AT });
    }
    add('running', { type: 'begun', order: 'running', at: AT, fromVersion: '' });
    add('running', { type: 'step-begun', order: 'running', step: 'polish', at: AT });
    database.close();
    const again = openJournal(file(), decider);
    expect(again.book.orders.get('a')).toMatchObject({ phase: 'running' });
    const finish = (order: string): OrderCommand => ({ type: 'finish', order, at: AT, installedVersion: '' });
    again.record(finish('running'));
    expect(again.book.orders.get('running')).toMatchObject({ result: { failure: { reason: 'UNKNOWN_ACTION' } } });
    again.record({ type: 'begin-step', order: 'a', step: 'metadata', at: AT });
    for (const step of ['metadata', 'download', 'build'] as const) {
      if (step !== 'metadata') again.record({ type: 'begin-step', order: 'a', step, at: AT });
      again.record({ type: 'end-step', order: 'a', step, durationMs: 1 });
    }
    again.record(finish('a'), begin('waiting'));
    expect(again.book.orders.get('waiting')).toMatchObject({ result: { failure: { reason: 'UNKNOWN_ACTION' } } });
    again.close();
  });

  it('can be read beside the process that writes it', () => {
    const journal = openJournal(file(), decider);
    journal.record(receive('a'));
    expect(readJournal(file(), decider)?.orders.size).toBe(1);
    journal.close();
    expect(readJournal(file('none.db'), decider)).toBeUndefined();
  });

  it('has all of a write that was torn, or nothing, and everything before it', () => {
    const journal = openJournal(file(), decider);
    journal.record(receive('a'));
    const whole = statSync(file('journal.db-wal')).size;
    journal.record(receive('b'), begin('a'));
    const end = statSync(file('journal.db-wal')).size;
    // The files as a crash would leave them, with the last write cut at every kind of place.
    for (const cut of [whole, whole + 1, whole + 24, Math.floor((whole + end) / 2), end - 1]) {
      const copy = file(`torn-${cut}.db`);
      copyFileSync(file(), copy);
      copyFileSync(file('journal.db-wal'), `${copy}-wal`);
      truncateSync(`${copy}-wal`, cut);
      const torn = openJournal(copy, decider);
      expect([...torn.book.orders.keys()]).toEqual(['a']);
      expect(torn.book.orders.get('a')?.phase).toBe('waiting');
      torn.record(receive('c'));
      torn.close();
      expect([...(readJournal(copy, decider)?.orders.keys() ?? [])]).toEqual(['a', 'c']);
    }
    journal.close();
  });

  it('records nothing of a list of which one command is refused', () => {
    const journal = openJournal(file(), decider);
    expect(() => journal.record(receive('a'), begin('unknown'))).toThrow(/unknown is not known/);
    expect(journal.book.orders.size).toBe(0);
    journal.close();
    expect(readJournal(file(), decider)?.orders.size).toBe(0);
  });

  it('forgets old orders that are confirmed, and never the fence', () => {
    const journal = openJournal(file(), decider);
    const failure = { reason: 'COMMAND_FAILED', message: '', host: '', facts: {} };
    for (const id of ['a', 'b']) {
      journal.record(receive(id, 9), begin(id), { type: 'finish', order: id, at: AT, installedVersion: '', failure });
    }
    journal.record({ type: 'confirm', order: 'a' });
    journal.close();
    const later = openJournal(file(), decider, () => AT + 31 * DAY_MS);
    expect([...later.book.orders.keys()]).toEqual(['b']);
    expect(later.book.fence).toBe(9);
    later.close();
  });
});

describe('a journal that cannot be written', () => {
  const errorOf = (run: () => unknown): unknown => {
    try {
      return run();
    } catch (error) {
      return error;
    }
  };

  it('is told apart by whether there was no room', () => {
    const database = new DatabaseSync(':memory:');
    database.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB); PRAGMA max_page_count = 2');
    const insert = database.prepare('INSERT INTO t VALUES (1, ?)');
    expect(isOutOfSpace(errorOf(() => insert.run(Buffer.alloc(64 * 1024))))).toBe(true);
    insert.run('fits');
    expect(isOutOfSpace(errorOf(() => insert.run('the same key')))).toBe(false);
    expect(isOutOfSpace(new Error('another'))).toBe(false);
    database.close();
  });
});
