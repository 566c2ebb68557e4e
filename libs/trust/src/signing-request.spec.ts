import fc from 'fast-check';
import { describeRequest, missingWords } from './describe-request.js';
import { keyFromPem, newPrivateKeyPem, type KeySet, type TufKey } from './keys.js';
import { delegationsBody, rootBody, sign, signedPart, targetsBody, type MetadataJson } from './metadata.js';
import {
  formatSigningRequest,
  parseSigningRequest,
  signRequest,
  unsignedPayloads,
  type SigningRequest,
} from './signing-request.js';

const keys = (n: number): TufKey[] => Array.from({ length: n }, () => keyFromPem(newPrivateKeyPem()));
const setOf = (list: readonly TufKey[], threshold: number): KeySet => ({ keys: list.map((k) => k.publicKey), threshold }); // prettier-ignore
const parse = (bytes: Buffer): MetadataJson => JSON.parse(bytes.toString()) as MetadataJson;
const LATER = Date.UTC(2027, 0, 1);

const [old, root, targets, releases, online] = [keys(1), keys(3), keys(3), keys(3), keys(1)];
const rootKeys = (own: KeySet) => ({ root: own, targets: setOf(targets, 2), snapshot: setOf(online, 1), timestamp: setOf(online, 1) }); // prettier-ignore
const rootBefore = parse(sign(signedPart('root', 1, LATER, rootBody(rootKeys(setOf(old, 1)))), old));
const target = (version: string) => ({ path: `encore/${version}/lastcall.yaml`, bytes: 1, sha256: 'a'.repeat(64) });

function request(): SigningRequest {
  const before = parse(sign(signedPart('targets', 1, LATER, targetsBody([target('1.0.0'), target('0.9.0')])), []));
  const list = signedPart('targets', 2, LATER, targetsBody([target('1.0.0'), target('1.1.0')]));
  const top = signedPart('targets', 2, LATER, delegationsBody([{ role: 'product-encore', paths: ['encore/*/*'] }], setOf(releases, 2))); // prettier-ignore
  const bytes = formatSigningRequest({
    catalog: 'c'.repeat(64),
    preparedAt: '2026-11-29T09:00:00Z',
    release: { product: 'encore', version: '1.1.0', channel: 'stable' },
    root: rootBefore,
    releases: setOf(releases, 2),
    catalogSigns: [],
    payloads: [
      { role: 'root', signed: signedPart('root', 2, LATER, rootBody(rootKeys(setOf(root, 2)))), signatures: [] },
      { role: 'targets', signed: top, signatures: [] },
      { role: 'releases-2026-1-encore', signed: list, signatures: [], before },
    ],
  });
  const read = parseSigningRequest(bytes);
  if (typeof read === 'string') throw new Error(read);
  return read;
}

describe('a signing request', () => {
  it('needs the thresholds of the keys before and after, counted by keys and not by signatures', () => {
    let signed = request();
    expect(unsignedPayloads(signed)).toHaveLength(4);
    signed = signRequest(signRequest(signed, [...root, ...targets, ...releases].slice(0, 1)), root.slice(0, 1));
    expect(unsignedPayloads(signed).find(({ role, needed }) => role === 'root' && needed === 2)?.signed).toBe(1);
    signed = signRequest(signed, [...root, ...targets, ...releases]);
    expect(missingWords(signed)).toBe('root (0 of 1)');
    expect(missingWords({ ...signed, catalogSigns: old.map((key) => key.id) })).toBe('');
    expect(missingWords(signRequest(signed, old))).toBe('');
  });

  it('gains nothing by keys that have no say, by copies of a signature, or by one of other bytes', () => {
    const signed = signRequest(request(), [...keys(5), ...online]);
    expect(unsignedPayloads(signed)).toEqual(unsignedPayloads(request()));
    const once = signRequest(request(), releases.slice(0, 1));
    const copied = { ...once, payloads: once.payloads.map((p) => ({ ...p, signatures: [...p.signatures, ...p.signatures] })) }; // prettier-ignore
    expect(unsignedPayloads(copied)).toEqual(unsignedPayloads(once));
    const all = signRequest(request(), [...old, ...root, ...targets, ...releases]);
    const moved = { ...all, payloads: all.payloads.map((p) => ({ ...p, signed: { ...p.signed, version: 9 } })) };
    expect(unsignedPayloads(moved)).toHaveLength(4);
  });

  it('is told in words, from what would be signed', () => {
    const names = new Map(root.map((key, i) => [key.id, `root-${i + 1}`]));
    const text = describeRequest(request(), names).join('\n');
    expect(text).toContain('root: 2 of root-1, root-2, root-3 (new: root-1, root-2, root-3; no longer: key ');
    expect(text).toContain('adds encore 1.1.0:\n    lastcall.yaml sha256 aaaa');
    expect(text).toContain('takes back encore 0.9.0');
    expect(text).not.toContain('adds encore 1.0.0');
    expect(text).toContain('sign for encore');
  });

  it('is refused in words when it is none or damaged, whatever it holds', () => {
    const good = JSON.parse(formatSigningRequest(request()).toString()) as Record<string, unknown>;
    const say = (change: object): unknown => parseSigningRequest(Buffer.from(JSON.stringify({ ...good, ...change })));
    expect(parseSigningRequest(Buffer.from('PK'))).toMatch(/^is no signing request/);
    expect(say({ format: 'other' })).toMatch(/^is no signing request/);
    for (const field of ['catalog', 'preparedAt', 'root', 'releases', 'catalogSigns', 'payloads']) {
      for (const value of [undefined, null, 7, 'x', [], {}, [{}]]) {
        const answer = say({ [field]: value });
        if (typeof answer !== 'string') expect([field, value]).toEqual([field, ['catalogSigns', 'catalog', 'preparedAt'].includes(field) ? value : 'refused']); // prettier-ignore
      }
    }
    const [first] = request().payloads;
    expect(say({ payloads: [{ ...first, role: 'targets' }] })).toMatch(/says that targets is root/);
    expect(say({ payloads: [{ ...first, signed: { ...first?.signed, keys: {} } }] })).not.toBe('');
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(typeof parseSigningRequest(Buffer.from(text))).toBe('string');
      }),
    );
  });
});
