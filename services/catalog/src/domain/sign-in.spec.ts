import { isRejected } from '@lastcall/kernel';
import { assert, array, constantFrom, property, string } from 'fast-check';
import { grantOf, parseRules, subjectOf, type RoleRule } from './sign-in.js';

const rulesOf = (text: string): readonly RoleRule[] => {
  const rules = parseRules(text);
  if (typeof rules === 'string') throw new Error(rules);
  return rules;
};

describe('the rules of roles', () => {
  it.each<[string, unknown]>([
    ['', []],
    [' , ', []],
    ['admins=admin', [{ value: 'admins', role: 'admin', installation: '' }]],
    ['ops=operator@berlin', [{ value: 'ops', role: 'operator', installation: 'berlin' }]],
    ['CN=Ops=viewer', [{ value: 'CN=Ops', role: 'viewer', installation: '' }]],
    ['a@b.example=approver', [{ value: 'a@b.example', role: 'approver', installation: '' }]],
    [
      'b = x=admin,\n a=viewer@a-1 ',
      [
        { value: 'b = x', role: 'admin', installation: '' },
        { value: 'a', role: 'viewer', installation: 'a-1' },
      ],
    ],
  ])('read %j', (text, rules) => expect(parseRules(text)).toEqual(rules));

  it.each([
    'admins',
    '=admin',
    'admins=',
    'admins=root',
    'clients=client@berlin',
    'hosts=agent@berlin',
    'ops=operator@',
    'ops=operator@Berlin',
    'ops=operator@a@b',
    'ops=operator @berlin',
    'ops=Operator',
  ])('refuse %j and say what is allowed', (text) => expect(parseRules(text)).toEqual(expect.stringMatching(/allowed/)));
});

describe('what somebody may do', () => {
  const rules = rulesOf('admins=admin, berlin-ops=operator@berlin, munich-ops=operator@munich, staff=viewer');
  const grant = (groups: unknown, installation = '', claim = 'groups') => {
    const result = grantOf(
      rules,
      { groups, nested: { roles: groups }, 'https://x.example/a.b': groups },
      claim,
      installation,
    );
    return isRejected(result) ? result.reason : `${result.role}@${result.installation}`;
  };

  it.each<[unknown, string, string]>([
    [['admins'], '', 'admin@'],
    [['staff', 'admins'], '', 'admin@'],
    [['staff', 'berlin-ops'], '', 'operator@berlin'],
    [['munich-ops', 'berlin-ops'], '', 'operator@berlin'],
    [['munich-ops', 'berlin-ops'], 'munich', 'operator@munich'],
    [['munich-ops', 'staff'], 'berlin', 'viewer@berlin'],
    [['admins'], 'berlin', 'admin@berlin'],
    [['berlin-ops'], 'munich', 'NO_ROLE'],
    ['berlin-ops', '', 'operator@berlin'],
    ['berlin-ops staff', '', 'NO_ROLE'],
    [[], '', 'NO_ROLE'],
    [undefined, '', 'NO_ROLE'],
    [{ admins: true }, '', 'CLAIM_REFUSED'],
    [[['admins']], '', 'CLAIM_REFUSED'],
    [7, '', 'CLAIM_REFUSED'],
  ])('follows from %j, asked for "%s"', (groups, installation, expected) =>
    expect(grant(groups, installation)).toBe(expected),
  );

  it('is bounded in the number of rules and of values', () => {
    expect(parseRules('g=viewer,'.repeat(201))).toEqual(expect.stringMatching(/at most 200/));
    expect(grant(Array.from({ length: 2_001 }, () => 'admins'))).toBe('CLAIM_REFUSED');
  });

  it('may stand inside, or under a name with dots', () => {
    expect(grant(['admins'], '', 'nested.roles')).toBe('admin@');
    expect(grant(['admins'], '', 'https://x.example/a.b')).toBe('admin@');
    expect(grant(['admins'], '', 'nested.nothing')).toBe('NO_ROLE');
    expect(grant(['admins'], '', 'constructor.name')).toBe('NO_ROLE');
  });

  it('is never more than a rule for one of the groups says, and of no other installation', () => {
    const groups = array(constantFrom('admins', 'berlin-ops', 'munich-ops', 'staff', 'other'));
    const property_ = property(groups, constantFrom('', 'berlin', 'munich'), (given, installation) => {
      const result = grantOf(rules, { groups: given }, 'groups', installation);
      if (isRejected(result)) return true;
      const rule = rules.find((r) => r.value === result.by && r.role === result.role);
      const isReached = rule?.installation === '' || rule?.installation === result.installation;
      return (
        given.some((group) => group === result.by) &&
        isReached &&
        (installation === '' || result.installation === installation)
      );
    });
    assert(property_);
  });
});

describe('a subject', () => {
  it('is one for each value', () => {
    expect(subjectOf({ sub: 'a1' }, 'sub')).toBe('oidc:a1');
    expect(subjectOf({ preferred_username: 'Änne' }, 'preferred_username')).toBe('oidc:Änne');
    const differ = property(string(), string(), (a, b) => {
      const [one, two] = [subjectOf({ sub: a }, 'sub'), subjectOf({ sub: b }, 'sub')];
      return a === b || isRejected(one) || isRejected(two) || one !== two;
    });
    assert(differ);
  });
  it.each([undefined, '', 7, ['a'], 'a b', 'a\nb', '\u200ba', 'x'.repeat(196)])('is refused from %j', (sub) =>
    expect(subjectOf({ sub }, 'sub')).toMatchObject({ reason: 'CLAIM_REFUSED', code: 'not-permitted' }),
  );
});
