import { contextOfCall } from './log-context.js';

describe('what the log says that a call is about', () => {
  it('is the run or the host of its name', () => {
    const of = (name: string) => contextOfCall({ name }, undefined);
    expect(of('installations/berlin/runs/r-1')).toEqual({ installation: 'berlin', run: 'r-1' });
    expect(of('installations/berlin/hosts/srv')).toEqual({ installation: 'berlin', host: 'srv' });
    expect(of('installations/berlin/jobs/nightly')).toEqual({ installation: 'berlin' });
  });

  it('is the run that it names beside something else', () => {
    const renewal = { name: 'installations/berlin/gate', run: 'r-1', fence: 1n };
    expect(contextOfCall(renewal, undefined)).toEqual({ installation: 'berlin', run: 'r-1' });
    const ofHost = { name: 'installations/berlin/hosts/srv', run: 'r-1' };
    expect(contextOfCall(ofHost, undefined)).toEqual({ installation: 'berlin', run: 'r-1', host: 'srv' });
  });

  it('is nothing that is no id', () => {
    for (const run of ['a\nline', 'x'.repeat(64), { run: 'r-1' }, 7])
      expect(contextOfCall({ name: 'installations/berlin/gate', run }, undefined)).toEqual({ installation: 'berlin' });
  });
});
