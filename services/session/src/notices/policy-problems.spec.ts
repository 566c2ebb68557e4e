import { sessionV1 } from '@lastcall/contracts';
import { createLogger } from '@lastcall/runtime';
import { createPolicyProblems } from './policy-problems.js';

const { LOGOFF } = sessionV1.NoticeKind;
const policy = (text: string) =>
  sessionV1.SessionPolicy.fromPartial({
    exemptUsers: ['j\u202eörg', 'jörg', 'jörg'],
    templates: [{ kind: LOGOFF, language: 'de', text }],
  });

describe('problems of session settings', () => {
  const lines: string[] = [];
  const problems = createPolicyProblems(createLogger('info', { write: (line: string) => void lines.push(line) }));

  it('are said once, with the field, without names of users', () => {
    for (let i = 0; i < 3; i++) problems.heard('encore-berlin', policy('{product'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('session_policy.templates[0].text');
    expect(lines[0]).toContain('encore-berlin');
    expect(lines[0]).toContain('session_policy.exempt_users[0]');
    expect(lines[0]).not.toContain('rg');
  });

  it('are said again when they are others, or of another installation', () => {
    problems.heard('encore-berlin', policy('{nonsense}'));
    problems.heard('encore-wien', policy('{nonsense}'));
    expect(lines).toHaveLength(3);
  });

  it('are not there when the settings are right, or absent', () => {
    problems.heard('encore-graz', sessionV1.SessionPolicy.fromPartial({}));
    problems.heard('encore-graz', undefined);
    expect(lines).toHaveLength(3);
  });
});
