import { parseOptions } from './options.js';

describe('the options of npm run load', () => {
  it('are a thousand clients in every scenario that one process can have', () => {
    expect(parseOptions([])).toEqual({
      clients: 1_000,
      users: 50,
      scenarios: ['steady', 'logoff', 'login-storm', 'slow-readers', 'gate-race'],
      replicas: 0,
      idleMs: 25_000,
      out: '',
    });
  });

  it('add what replicas make possible', () => {
    expect(parseOptions(['--replicas', '3']).scenarios).toContain('reconnect-storm');
    expect(() => parseOptions(['--scenario', 'reconnect-storm'])).toThrow(/needs --replicas/);
    expect(() => parseOptions(['--replicas', '1'])).toThrow(/two or more/);
  });

  it('divide the clients among few users when they are few', () => {
    expect(parseOptions(['--clients', '40']).users).toBe(4);
    expect(parseOptions(['--clients', '10000']).users).toBe(50);
  });

  it('choose scenarios, in the order in which they are played', () => {
    const { scenarios } = parseOptions(['--scenario', 'gate-race,steady']);
    expect(scenarios).toEqual(['steady', 'gate-race']);
  });

  it.each([
    [['--clients', '1e3']],
    [['--clients', '-5']],
    [['--clients', '10']],
    [['--idle', '0']],
    [['--scenario', 'flood']],
    [['--thresholds']],
    [['more']],
  ])('refuse %j', (args) => expect(() => parseOptions(args)).toThrow());
});
