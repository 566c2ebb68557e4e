import { newerFacts, unknownInstallation, type InstallationFacts } from './installation.js';

const facts = (sequence: number, deleted = false): InstallationFacts => ({
  kind: 'multi-user',
  timeZone: 'UTC',
  reactionTimeMs: 0,
  deleted,
  sequence,
});

describe('what is known of an installation', () => {
  it('is what was said last, in whatever order it arrives', () => {
    expect(newerFacts(facts(3), facts(2)).sequence).toBe(3);
    expect(newerFacts(facts(2), facts(3)).sequence).toBe(3);
    expect(newerFacts(undefined, facts(1)).sequence).toBe(1);
  });

  it('decides whether anybody may attach', () => {
    expect(unknownInstallation(undefined, 'x')).toEqual({ phrase: 'unknown-installation', installation: 'x' });
    expect(unknownInstallation(facts(1, true), 'x')).toEqual({ phrase: 'deleted-installation', installation: 'x' });
    expect(unknownInstallation(facts(1), 'x')).toBeUndefined();
  });
});
