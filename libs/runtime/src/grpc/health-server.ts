import { Fault } from '@lastcall/kernel';
import { Server, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js';
import type { MethodDefinition } from '@lastcall/contracts';
import type { RpcBinding } from '../service.js';
import {
  streamingCall,
  unaryCall,
  type StreamingHandler,
  type Surroundings,
  type UnaryHandler,
} from './handle-calls.js';
import { OpenCalls } from './open-calls.js';

/*
 * grpc.health.v1 on a port of its own, in plain text and for everybody who reaches it: kubelets and container engines have neither certificates
 * nor credentials, and the port of the services may demand both. Nothing else is served here. It is the first to listen and the last to stop, so
 * that whoever asks during a start or a drain hears "not serving", and not that nobody is there.
 */

export interface HealthServer {
  /** Binds; answers `host:port` with the real port. */
  start(): Promise<string>;
  stop(): Promise<void>;
}

/** A question names a service, and those are short. */
const MAX_QUESTION_BYTES = 1024;
const MAX_STREAMS_PER_CONNECTION = 32;

export function createHealthServer(address: string, { definition, handlers }: RpcBinding): HealthServer {
  const openCalls = new OpenCalls();
  const server = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': MAX_QUESTION_BYTES,
    'grpc.max_metadata_size': 4 * 1024,
    'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  const calls: Record<string, UntypedHandleCall> = {};
  const methods: Record<string, MethodDefinition> = {};
  for (const [key, method] of Object.entries(definition)) {
    const around = surroundingsOf(method, openCalls);
    methods[key] = { ...method, responseSerialize: (encoded: unknown) => encoded as Buffer };
    calls[key] = (
      method.responseStream
        ? streamingCall(around, handlers[key] as unknown as StreamingHandler)
        : unaryCall(around, handlers[key] as UnaryHandler)
    ) as UntypedHandleCall;
  }
  server.addService(methods, calls);
  return {
    start: () => bind(server, address),
    stop: async () => {
      openCalls.stop();
      // Whoever still asks is gone with the process.
      server.forceShutdown();
    },
  };
}

/** Everybody may ask, and nobody counts: a probe comes every few seconds for ever. */
function surroundingsOf(method: MethodDefinition, openCalls: OpenCalls): Surroundings {
  return {
    method,
    openCalls,
    admit: async () => undefined,
    revocationOf: () => undefined,
    observe: async (_metadata, _request, run) => void (await run()),
  };
}

function bind(server: Server, address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (cause, port) => {
      if (!cause) return resolve(address.replace(/:\d+$/, `:${port}`));
      const message = `cannot listen on ${address} (${cause.message}); set LASTCALL_HEALTH_ADDRESS to a free one`;
      reject(new Fault(message, { cause }));
    });
  });
}
