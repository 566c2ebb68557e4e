import { Defect, Fault } from '@lastcall/kernel';
import { MongoNetworkError, MongoServerError } from 'mongodb';
import { DuplicateKey } from '../port.js';
import { Conflict, duplicateIndex, isContention, isUnavailable, isUnsure, toFault } from './mongo-faults.js';

const server = (code: number, errmsg: string) => new MongoServerError({ code, errmsg, message: errmsg });

describe('errors of the driver and the server', () => {
  it.each([
    ['E11000 duplicate key error collection: x.bookings index: by_seat dup key: { fields.seat: "1" }', 'by_seat'],
    ['E11000 duplicate key error collection: x.bookings index: _id_ dup key: { _id: "a" }', '_id_'],
    ["Duplicate key violation on the requested collection: Index 'by_seat'", 'by_seat'],
    ["Duplicate key violation on the requested collection: Index '_id_'", '_id_'],
  ])('names the index of %j', (message, index) => expect(duplicateIndex(server(11_000, message))).toBe(index));

  it.each([
    server(1, 'deadlock detected'),
    server(16_908_292, 'conflicting key value violates exclusion constraint "x"'),
    server(112, 'WriteConflict error'),
    new Conflict('a'),
  ])('counts %p as contention', (error) => {
    expect([isContention(error), isUnavailable(error), isUnsure(error)]).toEqual([true, false, false]);
  });

  it.each([server(10_107, 'not primary'), server(11_600, 'interrupted at shutdown'), new MongoNetworkError('reset')])(
    'counts %p as a server that is away, with a write that may have been made',
    (error) => expect([isContention(error), isUnavailable(error), isUnsure(error)]).toEqual([false, true, true]),
  );

  it('repeats nothing else', () => {
    const refused = server(13, 'not authorized on lastcall_session');
    expect([isContention(refused), isUnavailable(refused)]).toEqual([false, false]);
    expect(toFault('read a', refused)).toBeInstanceOf(Fault);
    expect(toFault('read a', refused).message).toBe('MongoDB: read a: not authorized on lastcall_session');
  });

  it.each([new Fault('x'), new Defect('x'), new DuplicateKey('c', 'i'), new TypeError('of a step')])(
    'passes %p on as it is',
    (error) => expect(toFault('write a', error)).toBe(error),
  );
});
