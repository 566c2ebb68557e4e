import { installationField, requestInstallation } from './request-installation.js';

const one = (installation: string) => ({ kind: 'one', installation });

describe('requestInstallation', () => {
  it.each([
    ['parent', { parent: 'installations/a' }],
    ['name', { name: 'installations/a/jobs/nightly' }],
    ['installation_id', { installationId: 'a' }],
    ['the name of a resource', { job: { name: 'installations/a/jobs/x', title: '' }, updateMask: ['title'] }],
    ['the installation itself', { installation: { name: 'installations/a' } }],
    ['parent beside a resource without a name', { parent: 'installations/a', job: { name: '' }, jobId: 'x' }],
    ['two that agree', { parent: 'installations/a', job: { name: 'installations/a/jobs/x' } }],
  ])('finds it in %s', (_, request) => expect(requestInstallation(request)).toEqual(one('a')));

  it.each([
    ['nothing', {}],
    ['an absent request', undefined],
    ['another resource', { name: 'products/p', release: { name: 'products/p/releases/1.0.0' } }],
    ['an installation inside other text', { title: 'installations/a', name: 'x/installations/a' }],
    ['a bad id', { name: 'installations/A' }],
    ['no text', { name: 7, parent: null, installationId: '' }],
  ])('finds none in %s', (_, request) => expect(requestInstallation(request)).toEqual({ kind: 'none' }));

  it('says so when two differ: it would be judged by one and carried out on the other', () => {
    const request = { parent: 'installations/a', job: { name: 'installations/b/jobs/x' } };
    expect(requestInstallation(request)).toEqual({ kind: 'several', installations: ['a', 'b'] });
  });
});

it.each([
  ['parent', { parent: '', job: { name: 'x' } }],
  ['name', { name: 'x', reason: '' }],
  ['job.name', { job: { name: 'x' }, updateMask: [] }],
  ['name', {}],
  ['name', undefined],
])('the field to look at is %s', (field, request) => expect(installationField(request)).toBe(field));
