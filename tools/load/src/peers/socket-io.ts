import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { answerQuestions } from '../questions.js';
import { ACKNOWLEDGEMENT, namespaceOf, NOTICE } from '../swarm/peer-dialects.js';
import { createPeer, type ListenQuestion } from './peer.js';

/* Socket.IO, WebSocket only, which is the faster of its transports. Several sessions of a connection are several namespaces. */

const http = createServer();
const io = new Server(http, { transports: ['websocket'], serveClient: false });
let namespaces: readonly string[] = [];
const peer = createPeer((text) => {
  for (const namespace of namespaces) io.of(namespace).emit(NOTICE, text);
});

answerQuestions({
  ...peer.answers,
  listen: async ({ perConnection }: ListenQuestion) => {
    namespaces = Array.from({ length: perConnection }, (_, slot) => namespaceOf(slot));
    for (const namespace of namespaces) {
      io.of(namespace).on('connection', (socket) => {
        socket.on(ACKNOWLEDGEMENT, () => peer.acknowledged());
      });
    }
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return (http.address() as AddressInfo).port;
  },
});
