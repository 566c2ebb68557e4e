import { refuseAgentVersion } from './agent-version.js';

describe('refuseAgentVersion', () => {
  it.each([
    ['', ''],
    ['from-the-future', ''],
    ['1.2.3', '1.2.3'],
    ['1.10.0', '1.9.9'],
    ['2.0.0-beta.1+build', '1.9.9'],
    ['99.0.0', '1.0.0'],
  ])('welcomes %j where at least %j is needed', (version, minimum) =>
    expect(refuseAgentVersion(version, minimum)).toBeUndefined(),
  );
  it.each([
    ['1.2.2', '1.2.3'],
    ['1.9.9', '1.10.0'],
    ['', '1.0.0'],
    ['v2', '1.0.0'],
    ['1.2.3.4', '1.0.0'],
  ])('refuses %j where at least %j is needed, and says what to do', (version, minimum) =>
    expect(refuseAgentVersion(version, minimum)).toMatchObject({
      reason: 'AGENT_TOO_OLD',
      message: expect.stringContaining('update lastcall-agent'),
    }),
  );
});
