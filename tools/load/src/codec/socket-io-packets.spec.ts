import fc from 'fast-check';
import { encodeSocketIoConnect, encodeSocketIoEvent, parseSocketIoPacket } from './socket-io-packets.js';

const namespace = fc.constantFrom('/', '/s1', '/s12');

describe('packets', () => {
  it('of events come back as they went out', () => {
    fc.assert(
      fc.property(namespace, fc.array(fc.string(), { minLength: 1 }), (name, values) => {
        const packet = parseSocketIoPacket(encodeSocketIoEvent(name, ...values));
        expect(packet).toEqual({ kind: 'event', namespace: name, body: JSON.stringify(values) });
      }),
    );
  });

  it('are told apart', () => {
    expect(parseSocketIoPacket('0{"sid":"a","pingInterval":25000}')).toEqual({ kind: 'open' });
    expect(parseSocketIoPacket('2')).toEqual({ kind: 'ping' });
    expect(parseSocketIoPacket('40{"sid":"a"}')).toEqual({ kind: 'connected', namespace: '/', body: '{"sid":"a"}' });
    expect(parseSocketIoPacket('40/s1,{"sid":"a"}')).toMatchObject({ kind: 'connected', namespace: '/s1' });
    expect(parseSocketIoPacket('44/s1,{"message":"no"}')).toMatchObject({ kind: 'refused', namespace: '/s1' });
    expect(parseSocketIoPacket('6')).toEqual({ kind: 'other' });
    expect(encodeSocketIoConnect('/')).toBe('40');
    expect(encodeSocketIoConnect('/s1')).toBe('40/s1,');
  });
});
