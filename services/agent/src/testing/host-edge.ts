import { catalogV1, commonV1, hostEdgeV1, hostOrderV1 } from '@lastcall/contracts';
import { randomId } from '@lastcall/kernel';
import { CODE } from '@lastcall/sdk';

/*
 * The other end of the stream: a gRPC server that accepts one host, hands out orders and notes what comes back. The server itself is given,
 * because only specs may import it.
 */

export interface GrpcServer {
  addService(definition: unknown, handlers: Record<string, unknown>): void;
  bindAsync(address: string, credentials: never, callback: (error: Error | null, port: number) => void): void;
  forceShutdown(): void;
}

interface Call {
  readonly metadata: { get(name: string): (string | Buffer)[] };
  on(event: 'data', listener: (message: hostEdgeV1.ConnectRequest) => void): void;
  on(event: 'end' | 'cancelled', listener: () => void): void;
  write(message: hostEdgeV1.ConnectResponse): void;
  end(): void;
  emit(event: 'error', error: Error): void;
}

export type Up = NonNullable<hostEdgeV1.ConnectRequest['message']>;
type Action = NonNullable<hostOrderV1.HostOrder['action']>;

export interface HostEdge {
  readonly address: string;
  /** Everything that came up. */
  readonly received: readonly Up[];
  /** Credentials of the streams. */
  readonly credentials: readonly string[];
  readonly joins: readonly hostEdgeV1.JoinRequest[];
  /** Sends an order; repeated on every new stream until its result is there. Answers its id. */
  order(action: Action, more?: Partial<hostOrderV1.HostOrder>): string;
  /** Sends an order once more. */
  repeat(order: string): void;
  result(order: string): Promise<hostOrderV1.OrderResult>;
  /** Resolves with the first message that fits, of those that came already too. */
  until<T extends Up['$case']>($case: T, fits?: (value: Extract<Up, { $case: T }>['value']) => boolean): Promise<void>;
  /** Whether results are confirmed. */
  confirms: boolean;
  /** Whether an agent is welcome. One that is not is left waiting. */
  welcomes: (hello: hostEdgeV1.AgentHello) => boolean;
  /** Ends the stream that is open. */
  dropStream(): void;
  /** Ends it with UNAVAILABLE, as a proxy does when the server dies. */
  loseStream(): void;
  close(): void;
}

export interface HostEdgeOptions {
  readonly server: GrpcServer;
  readonly credentials: unknown;
  readonly join: Partial<hostEdgeV1.JoinResponse>;
}

export const HOST = { installation: 'berlin', host: 'srv', product: 'encore' } as const;

export async function startHostEdge({ server, credentials, join }: HostEdgeOptions): Promise<HostEdge> {
  const received: Up[] = [];
  const tokens: string[] = [];
  const joins: hostEdgeV1.JoinRequest[] = [];
  const orders = new Map<string, hostOrderV1.HostOrder>();
  const results = new Map<string, hostOrderV1.OrderResult>();
  let waiting: (() => void)[] = [];
  let call: Call | undefined;
  const send = (message: hostEdgeV1.ConnectResponse['message']): void =>
    call?.write({ serverTime: new Date(), message });
  const onMessage = (message: Up): void => {
    received.push(message);
    if (message.$case === 'hello' && edge.welcomes(message.value)) {
      send({ $case: 'welcome', value: { catalogUrl: join.catalogUrl ?? '' } });
      for (const order of orders.values()) if (!results.has(order.order)) send({ $case: 'order', value: order });
    }
    if (message.$case === 'heartbeat') send({ $case: 'heartbeat', value: {} });
    if (message.$case === 'result') {
      const { order, result } = message.value;
      if (result && !results.has(order)) results.set(order, result);
      if (edge.confirms) send({ $case: 'resultStored', value: { order } });
    }
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  };
  const change = (): Promise<void> => new Promise((resolve) => waiting.push(resolve));
  server.addService(hostEdgeV1.HostEdgeServiceService, {
    join: (request: { request: hostEdgeV1.JoinRequest }, answer: (error: null, response: unknown) => void) => {
      joins.push(request.request);
      const role = commonV1.HostRole.SERVER;
      answer(null, hostEdgeV1.JoinResponse.fromPartial({ ...HOST, role, ...join }));
    },
    connect: (opened: Call) => {
      call = opened;
      tokens.push(opened.metadata.get('authorization').join());
      opened.on('data', ({ message }) => message && onMessage(message));
      opened.on('end', () => opened.end());
      opened.on('cancelled', () => undefined);
    },
  });
  server.addService(catalogV1.CatalogServiceService, {
    getInstallation: (_: unknown, answer: (error: null, response: unknown) => void) =>
      answer(null, catalogV1.GetInstallationResponse.fromPartial({})),
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials as never, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  const edge: HostEdge = {
    address: `127.0.0.1:${port}`,
    received,
    credentials: tokens,
    joins,
    confirms: true,
    welcomes: () => true,
    order: (action, more) => {
      const { installation, host } = HOST;
      const order = randomId('o');
      const deadline = new Date(Date.now() + 600_000);
      const wire = hostOrderV1.HostOrder.fromPartial({
        order,
        installation,
        host,
        fence: 1,
        deadline,
        ...more,
        action,
      });
      orders.set(order, wire);
      send({ $case: 'order', value: wire });
      return order;
    },
    repeat: (order) => send({ $case: 'order', value: orders.get(order) as hostOrderV1.HostOrder }),
    result: async (order) => {
      for (;;) {
        const result = results.get(order);
        if (result) return result;
        await change();
      }
    },
    until: async ($case, fits = () => true) => {
      while (!received.some((m) => m.$case === $case && fits(m.value as never))) await change();
    },
    dropStream: () => call?.end(),
    loseStream: () => call?.emit('error', Object.assign(new Error('lost'), { code: CODE.unavailable })),
    close: () => server.forceShutdown(),
  };
  return edge;
}
