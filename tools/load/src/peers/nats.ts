import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Cutter } from '../codec/cutter.js';
import {
  encodeConnect,
  encodePublish,
  encodeSubscribe,
  isMessage,
  operationLength,
  PING,
  PONG,
  wordOf,
} from '../codec/nats-operations.js';
import { answerQuestions } from '../questions.js';
import { ACKNOWLEDGEMENT, NOTICE } from '../swarm/peer-dialects.js';
import { createPeer } from './peer.js';

/*
 * The service beside a NATS server: publishes the notice, and is the subscriber that counts. As lean as the swarm, so that NATS is measured
 * and not a client of it.
 */

let socket: Socket | undefined;
const peer = createPeer((text) => void socket?.write(encodePublish(NOTICE, text)));

answerQuestions({
  ...peer.answers,
  /** Joins the NATS server at this port. */
  join: async ({ port }: { readonly port: number }) => {
    const joined = connect({ host: '127.0.0.1', port }).setNoDelay(true);
    socket = joined;
    await once(joined, 'connect');
    const ready = Promise.withResolvers<void>();
    const operations = new Cutter({
      lengthOf: operationLength,
      take: (bytes, start, end) => {
        if (isMessage(bytes, start, end)) return peer.acknowledged();
        const word = wordOf(bytes, start, end);
        if (word === 'PONG') ready.resolve();
        else if (word === 'PING') joined.write(PONG);
        else if (word !== 'INFO') ready.reject(new Error(`NATS said ${word}`));
      },
    });
    joined.on('data', (piece) => operations.push(piece, 0, piece.length));
    joined.write(Buffer.concat([encodeConnect(), encodeSubscribe(ACKNOWLEDGEMENT, 1), PING]));
    await ready.promise;
  },
});
