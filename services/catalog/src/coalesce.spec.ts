import { coalesced } from './coalesce.js';

interface Round {
  readonly key: string;
  end(error?: Error): void;
}

function setUp() {
  const rounds: Round[] = [];
  const ask = coalesced(
    (key) =>
      new Promise<void>((resolve, reject) => {
        rounds.push({ key, end: (error) => (error ? reject(error) : resolve()) });
      }),
  );
  const begun = (): string[] => rounds.map(({ key }) => key);
  return { rounds, ask, begun };
}

describe('work that is coalesced', () => {
  it('begins at once, and another round serves all who asked meanwhile', async () => {
    const { rounds, ask, begun } = setUp();
    const first = ask('a');
    const later = [ask('a'), ask('a'), ask('a')];
    expect(begun()).toEqual(['a']);
    rounds[0]?.end();
    await first;
    await new Promise(setImmediate);
    expect(begun()).toEqual(['a', 'a']);
    rounds[1]?.end();
    await Promise.all(later);
    const last = ask('a');
    expect(begun()).toHaveLength(3);
    rounds[2]?.end();
    await last;
  });

  it('does not wait for other keys', () => {
    const { ask, begun } = setUp();
    void ask('a');
    void ask('b');
    expect(begun()).toEqual(['a', 'b']);
  });

  it('tells a failure to those who asked for that round, and goes on', async () => {
    const { rounds, ask } = setUp();
    const first = ask('a');
    const second = ask('a');
    rounds[0]?.end(new Error('database away'));
    await expect(first).rejects.toThrow('database away');
    await new Promise(setImmediate);
    rounds[1]?.end();
    await second;
    void ask('a');
    expect(rounds).toHaveLength(3);
  });
});
