import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { answerQuestions } from '../questions.js';
import { createPeer, type ListenQuestion } from './peer.js';

/* `ws` without anything around it: no identity, no schema, no flow control. Several sessions of a connection are several copies. */

let perConnection = 1;
let server: WebSocketServer | undefined;
const peer = createPeer((text) => {
  const bytes = Buffer.from(text, 'utf8');
  for (const client of server?.clients ?? []) for (let i = 0; i < perConnection; i++) client.send(bytes);
});

answerQuestions({
  ...peer.answers,
  listen: async (question: ListenQuestion) => {
    perConnection = question.perConnection;
    server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    server.on('connection', (client) => {
      client.on('message', () => peer.acknowledged());
      // A client that is cut at the end.
      client.on('error', () => undefined);
    });
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  },
});
