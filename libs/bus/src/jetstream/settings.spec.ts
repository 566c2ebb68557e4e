import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { consumedBy } from '@lastcall/contracts';
import { DEFAULT_TUNING } from '../tuning.js';
import { consumerSettings, streamSettings } from './settings.js';

const folder = join(__dirname, '../../../../deploy/nats');
const readJson = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));

describe('deploy/nats', () => {
  it('has the stream as the code creates it', () =>
    expect(readJson('stream.json')).toEqual(streamSettings('lastcall', 3)));

  it('has the consumer as the code creates it', () =>
    expect(readJson('consumer.json')).toEqual(
      consumerSettings('lastcall', 'scheduler', consumedBy('scheduler'), DEFAULT_TUNING),
    ));
});

describe('settings', () => {
  it('keep systems with different prefixes apart', () => {
    const [one, two] = [streamSettings('lastcall', 1), streamSettings('last.call *', 1)];
    expect([one.name, one.subjects]).toEqual(['lastcall-events', ['lastcall.*.*.*']]);
    expect([two.name, two.subjects]).toEqual(['last_2ecall_20_2a-events', ['last_2ecall_20_2a.*.*.*']]);
  });
});
