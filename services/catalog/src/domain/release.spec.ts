import fc from 'fast-check';
import { isRejected, run, type Rejected } from '@lastcall/kernel';
import {
  isSigned,
  releaseDecider,
  type ReleaseCommand,
  type ReleaseContent,
  type ReleaseEvent,
  type ReleaseState,
} from './release.js';
import { sampleContent } from '../testing/sample-content.js';

const content = (manifestSha256 = 'm1', treeSha256 = 't1'): ReleaseContent =>
  sampleContent('encore', '11.1.0', {
    updatesFrom: '11.0.0',
    artifacts: [{ role: 'server', platform: 'any', treeSha256, treeBytes: 10, fileCount: 1, totalBytes: 5 }],
    manifestSha256,
  });

const drafted = (c = content()): ReleaseEvent => ({ type: 'drafted', content: c, at: 1 });
const begun: ReleaseEvent = { type: 'publication-begun', channel: 'stable' };
const published: ReleaseEvent = { type: 'published', channel: 'stable', at: 2 };
const withdrawn: ReleaseEvent = { type: 'withdrawn', reason: 'broken' };

function given(...events: ReleaseEvent[]): ReleaseState {
  return events.reduce((state, event) => releaseDecider.evolve(state, event), releaseDecider.initial);
}

function decision(state: ReleaseState, command: ReleaseCommand): readonly string[] | string {
  const decided: readonly ReleaseEvent[] | Rejected = releaseDecider.decide(state, command);
  return isRejected(decided) ? decided.reason : decided.map((event) => event.type);
}

const draft = (c = content()): ReleaseCommand => ({ type: 'draft', content: c, at: 1 });
const begin = (channel = 'stable', c = content()): ReleaseCommand => ({
  type: 'begin-publication',
  content: c,
  channel,
});
const finish: ReleaseCommand = { type: 'finish-publication', at: 2 };
const withdraw: ReleaseCommand = { type: 'withdraw', reason: 'broken' };

describe('release', () => {
  it.each<[string, ReleaseEvent[], ReleaseCommand, readonly string[] | string]>([
    ['a new version is a draft', [], draft(), ['drafted']],
    ['the same draft again changes nothing', [drafted()], draft(), []],
    ['a draft may be replaced', [drafted()], draft(content('m2')), ['drafted']],
    ['a draft with other files replaces it', [drafted()], draft(content('m1', 't2')), ['drafted']],
    ['publication begins from the draft', [drafted()], begin(), ['publication-begun']],
    ['not from another draft than was checked', [drafted(content('m2'))], begin(), 'DRAFT_CHANGED'],
    ['a publication that runs is joined', [drafted(), begun], begin(), []],
    ['not for another channel', [drafted(), begun], begin('preview'), 'PUBLICATION_RUNNING'],
    ['it ends', [drafted(), begun], finish, ['published']],
    ['once', [drafted(), begun, published], finish, []],
    ['a published release is published', [drafted(), begun, published], begin(), []],
    ['and can stand in another channel too', [drafted(), begun, published], begin('preview'), ['channel-joined']],
    ['the same files again are welcome', [drafted(), begun, published], draft(), []],
    ['other files never are', [drafted(), begun, published], draft(content('m2')), 'RELEASE_EXISTS'],
    ['it can be withdrawn', [drafted(), begun, published], withdraw, ['withdrawn']],
    ['also while it is being published', [drafted(), begun], withdraw, ['withdrawn']],
    ['which the publication notices', [drafted(), begun, withdrawn], finish, []],
    ['once is enough', [drafted(), begun, published, withdrawn], withdraw, []],
    ['and is final: no publication', [drafted(), begun, published, withdrawn], begin(), 'RELEASE_WITHDRAWN'],
    ['no draft', [drafted(), begun, published, withdrawn], draft(), 'RELEASE_WITHDRAWN'],
    ['a draft has nothing to withdraw', [drafted()], withdraw, 'RELEASE_IS_DRAFT'],
    ['nothing is there to withdraw', [], withdraw, 'RELEASE_NOT_FOUND'],
    ['nothing is there to publish', [], begin(), 'RELEASE_NOT_FOUND'],
    ['nothing is there to finish', [], finish, []],
  ])('%s', (_, events, command, expected) => expect(decision(given(...events), command)).toEqual(expected));

  it('keeps its first date through all drafts', () =>
    expect(given(drafted(), { ...drafted(content('m2')), at: 9 } as ReleaseEvent)).toMatchObject({ createdAt: 1 }));

  it('keeps its rules under any commands in any order', () => {
    const contents = fc.constantFrom(content(), content('m2'), content('m1', 't2'));
    const commands = fc.oneof(
      contents.map((c): ReleaseCommand => draft(c)),
      fc.tuple(fc.constantFrom('stable', 'preview'), contents).map(([channel, c]): ReleaseCommand => begin(channel, c)),
      fc.constant(finish),
      fc.constant(withdraw),
    );
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 30 }), (sequence) => {
        let state = releaseDecider.initial;
        for (const command of sequence) {
          const outcome = run(releaseDecider, state, command);
          if (isRejected(outcome)) continue;
          checkStep(state, outcome.state);
          const again = run(releaseDecider, outcome.state, command);
          // Every command is idempotent: repeated at once, it changes nothing.
          expect(!isRejected(again) && again.events.length === 0).toBe(true);
          state = outcome.state;
        }
      }),
    );
  });
});

function checkStep(before: ReleaseState, after: ReleaseState): void {
  if (before === after || before.state === 'absent' || after.state === 'absent') return;
  expect(after.revision).toBeGreaterThan(before.revision);
  // What is signed never changes, and what is withdrawn never comes back.
  if (isSigned(before)) expect(after.content).toBe(before.content);
  expect(before.state).not.toBe('withdrawn');
  const next = { draft: ['draft', 'publishing'], publishing: ['published', 'withdrawn'] } as const;
  if (before.state === 'draft' || before.state === 'publishing') {
    expect(next[before.state] as readonly string[]).toContain(after.state);
  }
  if (after.state === 'published') expect(new Set(after.channels).size).toBe(after.channels.length);
}
