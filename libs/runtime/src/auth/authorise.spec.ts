import { PERMISSIONS, ROLE_NAMES, type Principal, type RoleName } from '@lastcall/contracts';
import { authorise } from './authorise.js';

const who = (role: RoleName, installation?: string): Principal => ({
  subject: role,
  role,
  token: 't',
  ...(installation === undefined ? {} : { installation }),
});
const GET_JOB = '/lastcall.scheduler.v1.SchedulerService/GetJob';
const CREATE_JOB = '/lastcall.scheduler.v1.SchedulerService/CreateJob';
const job = { name: 'installations/a/jobs/x' };

describe('authorise', () => {
  it('denies what is not in the table, whoever asks', () => {
    for (const role of ROLE_NAMES) {
      expect(authorise('/lastcall.scheduler.v1.SchedulerService/Other', who(role), job)?.code).toBe('not-permitted');
    }
  });

  it('denies each role that a method does not list, and lets each that it lists', () => {
    for (const [method, { roles, scope }] of PERMISSIONS) {
      for (const role of ROLE_NAMES) {
        const refusal = authorise(method, who(role), job);
        if (scope === 'public' || roles.includes(role)) expect(refusal).toBeUndefined();
        else expect(refusal).toMatchObject({ code: 'not-permitted', reason: 'NOT_PERMITTED' });
      }
    }
  });

  it('lets a bound credential read its own installation only', () => {
    expect(authorise(GET_JOB, who('viewer', 'a'), job)).toBeUndefined();
    expect(authorise(GET_JOB, who('viewer', 'b'), job)?.code).toBe('not-permitted');
    expect(authorise(CREATE_JOB, who('viewer', 'a'), job)?.code).toBe('not-permitted');
  });

  it('lets no bound credential do what concerns all installations', () => {
    const global = [...PERMISSIONS].filter(([, { scope }]) => scope === 'global');
    expect(global.length).toBeGreaterThan(5);
    for (const [method] of global) expect(authorise(method, who('admin', 'a'), {})?.code).toBe('not-permitted');
  });

  it('asks who may call it at all which installation is meant', () => {
    const several = { parent: 'installations/a', job: { name: 'installations/b/jobs/x' } };
    expect(authorise(GET_JOB, who('admin'), {})).toMatchObject({ code: 'invalid', violations: [{ field: 'name' }] });
    expect(authorise(CREATE_JOB, who('admin'), several)?.code).toBe('invalid');
    expect(authorise(CREATE_JOB, who('operator', 'a'), several)?.code).toBe('not-permitted');
    expect(authorise(CREATE_JOB, who('client'), {})?.code).toBe('not-permitted');
  });

  it('asks for nobody on public methods', () =>
    expect(authorise('/lastcall.installer.v1.HostEdgeService/Join', undefined, {})).toBeUndefined());
});
