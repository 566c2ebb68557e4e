import { ALLOW_ROOT, demandCommandUser } from './command-user.js';

describe('the user that runs the commands of releases', () => {
  it.each([
    ['any user', {}, 1000],
    ['a system without users', {}, null],
    ['root, when that was said', { [ALLOW_ROOT]: '1' }, 0],
  ])('may be %s', (_, env, uid) => expect(() => demandCommandUser(env, uid)).not.toThrow());

  it.each([
    ['by default', {}],
    ['for a word that is not 1', { [ALLOW_ROOT]: 'no' }],
  ])('is not root %s', (_, env) => expect(() => demandCommandUser(env, 0)).toThrow(/user of its own/));
});
