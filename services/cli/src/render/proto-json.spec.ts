import { catalogV1 } from '@lastcall/contracts';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DURATION_FIELDS, protoJson } from './proto-json.js';

const PROTO = join(__dirname, '../../../../proto/lastcall');

describe('protoJson', () => {
  it('writes durations as protobuf does', () => {
    const installation = catalogV1.Installation.fromPartial({ title: 'x', reactionTime: { seconds: 300n, nanos: 0 } });
    expect(protoJson(catalogV1.Installation.toJSON(installation))).toEqual({ title: 'x', reactionTime: '300s' });
    const durations = [{ reactionTime: { nanos: 500_000_000 } }, { reactionTime: {} }, { start: { immediate: {} } }];
    expect(protoJson(durations)).toEqual([{ reactionTime: '0.5s' }, { reactionTime: '0s' }, { start: { immediate: {} } }]); // prettier-ignore
  });

  it('knows every field of that type in the contracts, and none of another type by the same name', () => {
    const files = readdirSync(PROTO, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.proto'));
    const text = files.map((file) => readFileSync(join(PROTO, file), 'utf8')).join('\n');
    const fieldsOf = (type: string): string[] =>
      [...text.matchAll(new RegExp(`^\\s*(?:repeated )?${type} ([a-z_]+) = \\d+;`, 'gm'))].map(([, name = '']) =>
        name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      );
    expect(new Set(fieldsOf('google\\.protobuf\\.Duration'))).toEqual(DURATION_FIELDS);
    const others = fieldsOf('(?!google\\.protobuf\\.Duration )[A-Za-z0-9_.]+');
    expect(others.filter((name) => DURATION_FIELDS.has(name))).toEqual([]);
  });
});
