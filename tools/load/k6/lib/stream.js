import { Client, Stream } from 'k6/net/grpc';
import { load } from './shape.js';

/*
 * Streams of the session service. One `Client` a user: connecting it again gives what is opened from then on a connection of its own,
 * and costs a third less than a `Client` for each.
 */

const SERVICE = 'lastcall.session.v1.SessionService';
const grpc = new Client();
grpc.load([load.protos], 'lastcall/session/v1/session.proto');

/** A new connection for the streams that are opened next. Throws when nobody answers. */
export function dial() {
  grpc.connect(load.address, { plaintext: true, timeout: '30s' });
}

/**
 * `hear` has each message, `over` has the end, once. Nothing is written to a stream that is over: that would hang the user for ever.
 * Whoever has heard the last message closes it himself, because the end is not always told.
 */
export function open(method, hear, over) {
  const stream = new Stream(grpc, `${SERVICE}/${method}`, {
    metadata: { authorization: `Bearer ${load.credential}` },
  });
  let live = true;
  const close = (how) => {
    if (!live) return;
    live = false;
    over(how);
  };
  stream.on('data', (message) => live && hear(message, close));
  stream.on('error', (error) => close(`error ${Number(error.code)} ${error.message}`));
  stream.on('end', () => close('end'));
  return {
    write: (message) => live && stream.write(message),
    endWriting: () => live && stream.end(),
    close,
  };
}
