import * as fc from 'fast-check';
import {
  beginChain,
  chainOf,
  checkEnd,
  followChain,
  recordId,
  type ChainedRecord,
  type ChainHead,
} from './audit-chain.js';

function chain(length: number): ChainedRecord[] {
  const records: ChainedRecord[] = [];
  let before = beginChain('catalog').chain;
  for (let n = 1; n <= length; n++) {
    const id = recordId({ service: 'catalog' }, n);
    const changes = n % 2 === 0 ? '{"title":{"after":"x"}}' : undefined;
    const record = { id, at: 1_000 + n, actor: 'mia', method: '/m', resource: `r${n}`, reason: '', changes };
    before = chainOf(before, record);
    records.push({ ...record, chain: before });
  }
  return records;
}

function check(records: readonly ChainedRecord[], kept?: ChainHead) {
  const found: string[] = [];
  let head = beginChain('catalog');
  for (const record of records) {
    const step = followChain(head, record);
    head = step.head;
    if (step.finding) found.push(`${step.finding.what}: ${step.finding.text}`);
  }
  const end = kept && checkEnd(head, kept);
  return end ? [...found, `${end.what}: ${end.text}`] : found;
}

describe('the audit chain', () => {
  it('is whole as it was written', () => expect(check(chain(20))).toEqual([]));

  it('names the record that was changed, taken out, put in or moved', () => {
    const records = chain(5);
    const [first, second, third, fourth, fifth] = records as [
      ChainedRecord,
      ChainedRecord,
      ChainedRecord,
      ChainedRecord,
      ChainedRecord,
    ];
    expect(check(records.with(2, { ...third, actor: 'nobody' }))).toEqual([
      expect.stringMatching(/^changed: catalog-000000000003 is not what was written/),
    ]);
    expect(check([first, second, fourth, fifth])).toEqual(['removed: catalog-000000000003 is gone']);
    expect(check([fourth, fifth])).toEqual(['removed: catalog-000000000001 to catalog-000000000003 are gone']);
    expect(check([first, second, second, third, fourth, fifth])[0]).toMatch(/^out-of-place: catalog-000000000002/);
    expect(check([...records, { ...fifth, id: 'other-000000000006' }])[0]).toMatch(/^inserted: other/);
  });

  it('shows with a head that was kept that its end is gone', () => {
    const records = chain(5);
    const kept = { service: 'catalog', sequence: 5, chain: records[4]?.chain ?? '' };
    expect(check(records, kept)).toEqual([]);
    expect(check(records.slice(0, 3), kept)[0]).toMatch(
      /catalog-000000000004 to catalog-000000000005 are gone at the end/,
    );
  });

  it('holds no change that is not found', () => {
    const records = chain(12);
    const field = fc.constantFrom('actor', 'method', 'resource', 'reason', 'changes', 'at', 'chain' as const);
    const place = fc.integer({ min: 0, max: 11 });
    fc.assert(
      fc.property(place, place, field, fc.constantFrom('change', 'remove', 'swap', 'twice'), (i, j, name, how) => {
        const copy: ChainedRecord[] = [...records];
        const one = copy[i] as ChainedRecord;
        if (how === 'change') copy[i] = { ...one, [name]: name === 'at' ? 7 : 'other' };
        if (how === 'remove') copy.splice(i, 1);
        if (how === 'twice') copy.splice(j, 0, one);
        if (how === 'swap') [copy[i], copy[j]] = [copy[j] as ChainedRecord, one];
        const isSame = how === 'swap' && i === j;
        const kept = { service: 'catalog', sequence: 12, chain: records[11]?.chain ?? '' };
        expect(check(copy, kept).length > 0 || copy[11]?.chain !== kept.chain).toBe(!isSame);
      }),
    );
  });
});
