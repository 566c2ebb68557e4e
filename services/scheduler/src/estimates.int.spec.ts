import { openStore, type Store } from '@lastcall/store';
import { openDocuments, type Documents, type RunDocument } from './documents.js';
import { NOTHING_FOUND } from './domain/findings.js';
import type { Ending, RunState } from './domain/run.js';
import { estimateFor, estimateFrom } from './estimates.js';
import { sampleSpec } from './testing/sample-spec.js';

let store: Store;
let documents: Documents;
beforeEach(async () => {
  store = await openStore({ url: '', file: ':memory:', service: 'scheduler', database: '' });
  documents = await openDocuments(store);
});
afterEach(() => store.close());

function ended(tookMs: number, outcome: Ending['outcome'] = 'succeeded', more: Parameters<typeof sampleSpec>[0] = {}) {
  const findings = { ...NOTHING_FOUND, phaseBegan: { preflight: 0, installing: 10 } };
  const common = { spec: sampleSpec(more), timeline: [], findings, cancelRequested: false, alarm: false };
  const state: RunState = { ...common, phase: 'ended', ending: { outcome, failure: undefined }, finishedAt: tookMs };
  return state;
}

const document = (state: RunState, createdAt: number): RunDocument => {
  const installation = state.phase === 'none' ? '' : state.spec.installation;
  return { installation, job: 'nightly', state, createdAt, confirmedCautions: [] };
};

it('is the median of the earlier runs that succeeded, of the same type and installation', async () => {
  const runs = [
    document(ended(100), 1),
    document(ended(300), 2),
    document(ended(200), 3),
    document(ended(9_999, 'rolled-back'), 4),
    document(ended(8_888, 'succeeded', { type: 'data-backup' }), 5),
    document(ended(7_777, 'succeeded', { installation: 'bonn' }), 6),
    document(ended(6_666), 8),
  ];
  await documents.runs.insertMany(runs.map((data, i) => ({ id: `r-${i}`, data })));
  const estimate = await estimateFor(documents, document(ended(1), 7));
  expect(estimate).toMatchObject({ runs: 3, totalMs: 200 });
  expect(Object.fromEntries(estimate.phaseMs)).toEqual({ preflight: 10, installing: 190 });
});

it('looks at the newest runs only', async () => {
  const runs = Array.from({ length: 60 }, (_, i) => document(ended(i), i));
  await documents.runs.insertMany(runs.map((data, i) => ({ id: `r-${i}`, data })));
  expect(await estimateFor(documents, document(ended(1), 60))).toMatchObject({ runs: 20, totalMs: 49 });
});

it('estimates nothing from nothing', () => {
  expect(estimateFrom([])).toEqual({ runs: 0, totalMs: undefined, phaseMs: new Map() });
});
