import { isRejected } from '@lastcall/kernel';
import { MAX_CHANNELS, productDecider, type ProductCommand, type ProductEvent, type ProductState } from './product.js';

const created: ProductEvent = { type: 'product-created', title: 'Encore', at: 1 };
const moved = (channel: string, version: string): ProductEvent => ({ type: 'channel-moved', channel, version });

function given(...events: ProductEvent[]): ProductState {
  return events.reduce((state, event) => productDecider.evolve(state, event), productDecider.initial);
}

function decision(state: ProductState, command: ProductCommand): unknown {
  const decided = productDecider.decide(state, command);
  return isRejected(decided) ? decided.reason : decided;
}

const raise = (version: string, channel = 'stable'): ProductCommand => ({ type: 'raise-channel', channel, version });
const move = (version: string, etag = '', channel = 'stable'): ProductCommand => ({
  type: 'move-channel',
  channel,
  version,
  etag,
});

describe('product', () => {
  it.each<[string, ProductEvent[], ProductCommand, unknown]>([
    ['is created', [], { type: 'create', title: 'Encore', at: 1 }, [created]],
    ['once', [created], { type: 'create', title: 'Other', at: 2 }, 'PRODUCT_EXISTS'],
    ['has no channels before', [], raise('1.0.0'), 'PRODUCT_NOT_FOUND'],
    ['raises its channel', [created], raise('1.0.0'), [moved('stable', '1.0.0')]],
    ['with a newer version', [created, moved('stable', '9.0.0')], raise('10.0.0'), [moved('stable', '10.0.0')]],
    ['not with an older one', [created, moved('stable', '10.0.0')], raise('9.0.0'), []],
    ['not twice', [created, moved('stable', '1.0.0')], raise('1.0.0'), []],
    ['begins a channel by publishing', [created], raise('1.0.0', 'beta'), [moved('beta', '1.0.0')]],
    ['lets a person move it back', [created, moved('stable', '2.0.0')], move('1.0.0'), [moved('stable', '1.0.0')]],
    ['under the present etag', [created, moved('stable', '2.0.0')], move('1.0.0', '2'), [moved('stable', '1.0.0')]],
    ['not under an old one', [created, moved('stable', '2.0.0')], move('1.0.0', '1'), 'ETAG_MISMATCH'],
    ['to where it stands', [created, moved('stable', '2.0.0')], move('2.0.0'), []],
    ['knows its channels', [created], move('1.0.0', '', 'beta'), 'CHANNEL_NOT_FOUND'],
  ])('%s', (_, events, command, expected) => expect(decision(given(...events), command)).toEqual(expected));

  it('has a limit on channels', () => {
    const many = Array.from({ length: MAX_CHANNELS }, (_, i) => moved(`c${i}`, '1.0.0'));
    expect(decision(given(created, ...many), raise('1.0.0', 'one-more'))).toBe('TOO_MANY_CHANNELS');
  });
});
