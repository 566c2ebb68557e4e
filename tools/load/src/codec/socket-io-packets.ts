/*
 * Packets of Socket.IO 5 over Engine.IO 4, as text messages of a WebSocket: `0{…}` open, `2` ping, `3` pong, `40` connect,
 * `42` event, `44` refused; each but the first three with its namespace (`42/s1,[…]`) unless that is the main one.
 */

export type SocketIoPacket =
  | { readonly kind: 'open' | 'ping' | 'other' }
  | { readonly kind: 'connected' | 'event' | 'refused'; readonly namespace: string; readonly body: string };

export const SOCKET_IO_PATH = '/socket.io/?EIO=4&transport=websocket';
export const SOCKET_IO_PONG = '3';

const KINDS = { '0': 'connected', '2': 'event', '4': 'refused' } as const;

export function encodeSocketIoConnect(namespace: string): string {
  return namespace === '/' ? '40' : `40${namespace},`;
}

export function encodeSocketIoEvent(namespace: string, ...values: readonly unknown[]): string {
  return `42${namespace === '/' ? '' : `${namespace},`}${JSON.stringify(values)}`;
}

export function parseSocketIoPacket(text: string): SocketIoPacket {
  if (text.startsWith('0')) return { kind: 'open' };
  if (text === '2') return { kind: 'ping' };
  const [, digit, namespace = '/', body = ''] = /^4([024])(?:(\/[^,]*),)?(.*)$/s.exec(text) ?? [];
  return digit === undefined ? { kind: 'other' } : { kind: KINDS[digit as keyof typeof KINDS], namespace, body };
}
