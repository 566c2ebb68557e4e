import { answerQuestions } from '../questions.js';
import type { Dialect, DialectOptions } from './dialect.js';
import { createGrpcDialect } from './grpc-link.js';
import { createNatsDialect, createSocketIoDialect, createWsDialect } from './peer-dialects.js';
import { Swarm, type SwarmOptions } from './swarm.js';

/* The swarm as a program of its own. */

export interface AttachQuestion extends Omit<SwarmOptions, 'dialect' | 'port' | 'perConnection'> {
  readonly dialect: DialectOptions;
}

let swarm: Swarm | undefined;
const here = (): Swarm => {
  if (!swarm) throw new Error('nobody is attached');
  return swarm;
};

const answers = {
  attach: (question: AttachQuestion) => {
    const { port, perConnection } = question.dialect;
    swarm = new Swarm({ ...question, port, perConnection, dialect: createDialect(question.dialect) });
    return swarm.attach();
  },
  arm: (question: Parameters<Swarm['arm']>[0]) => here().arm(question),
  finish: (_: null) => here().finish(),
  late: (_: null) => here().late(),
  withdrawn: (_: null) => here().withdrawn(),
  ends: (_: null) => here().ends(),
};

export type SwarmQuestions = typeof answers;

function createDialect(options: DialectOptions): Dialect {
  switch (options.name) {
    case 'grpc':
      return createGrpcDialect(options);
    case 'ws':
      return createWsDialect(options);
    case 'socketio':
      return createSocketIoDialect(options);
    case 'nats':
      return createNatsDialect(options);
  }
}

answerQuestions(answers);
