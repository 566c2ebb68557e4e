import { withLogContext } from './log-context.js';
import { createLogger } from './logging.js';

function logged(write: (log: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  write(createLogger('debug', { write: (line) => void lines.push(line) }));
  return lines.join('');
}

describe('the log', () => {
  it('is one JSON object a line', () => {
    const line = JSON.parse(logged((log) => log.info({ run: 'r1' }, 'started'))) as object;
    expect(line).toMatchObject({ level: 'info', msg: 'started', run: 'r1' });
  });

  it.each([
    { token: 'hush' },
    { request: { credential: 'hush' } },
    { call: { headers: { authorization: 'Bearer hush' } } },
    { request: { code: 'hush' } },
    { hello: { firstStartCode: 'hush' } },
    { joinToken: 'hush' },
  ])('never shows %j', (fields) => expect(logged((log) => log.info(fields, 'x'))).not.toContain('hush'));

  it('takes a credential out of any text', () => {
    const jwt = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtaWEifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ';
    expect(logged((log) => log.error({ err: new Error(`no ${jwt}`) }, `with ${jwt}`))).not.toContain('eyJ');
  });

  it('keeps the status code of an error', () =>
    expect(logged((log) => log.error({ err: Object.assign(new Error('x'), { code: 'ENOENT' }) }))).toContain('ENOENT'));

  it('carries what is being taken in, and what a line says itself comes first', async () => {
    const about = { trace: 'abc', run: 'r-1', installation: 'berlin', host: 'srv' };
    const inside = (fields: object): unknown =>
      JSON.parse(logged((log) => void withLogContext(about, async () => log.info(fields, 'x'))));
    expect(inside({})).toMatchObject({ ...about, msg: 'x' });
    expect(inside({ host: 'ts1' })).toMatchObject({ ...about, host: 'ts1' });
    expect(JSON.parse(logged((log) => log.info('x')))).not.toHaveProperty('run');
  });
});
