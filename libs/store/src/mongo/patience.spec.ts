import { Fault } from '@lastcall/kernel';
import { MongoNetworkError } from 'mongodb';
import { Conflict } from './mongo-faults.js';
import { Patience } from './patience.js';

describe('patience', () => {
  it('repeats until it succeeds, and tells whether the server was reached', async () => {
    const reached: boolean[] = [];
    const errors = [new Conflict('a'), new MongoNetworkError('reset')];
    const attempt = () => {
      const error = errors.shift();
      return error ? Promise.reject(error) : Promise.resolve('done');
    };
    expect(await new Patience(5_000, (server) => reached.push(server)).repeat('write a', attempt)).toBe('done');
    expect(reached).toEqual([false, true]);
  });

  it.each<[string, Error, RegExp]>([
    ['others', new Conflict('a'), /MongoDB: write a: others write the same document all the time/],
    ['the server', new MongoNetworkError('reset'), /MongoDB: write a: reset; see that the server runs/],
  ])('ends in a Fault when %s never lets it through', async (_, error, message) => {
    let attempts = 0;
    const repeated = new Patience(150).repeat('write a', () => {
      attempts += 1;
      return Promise.reject(error);
    });
    await expect(repeated).rejects.toThrow(Fault);
    await expect(repeated).rejects.toThrow(message);
    expect(attempts).toBeGreaterThan(1);
  });

  it('repeats nothing that would fail again', async () => {
    let attempts = 0;
    const repeated = new Patience().repeat('write a', () => {
      attempts += 1;
      return Promise.reject(new TypeError('of a step'));
    });
    await expect(repeated).rejects.toThrow(TypeError);
    expect(attempts).toBe(1);
  });

  it('ends at once when it is stopped', async () => {
    const patience = new Patience();
    const repeated = patience.repeat('write a', () => {
      patience.stop();
      return Promise.reject(new MongoNetworkError('reset'));
    });
    await expect(repeated).rejects.toThrow(/the store is closed/);
  });
});
