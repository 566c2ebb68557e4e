import { EventEmitter, once } from 'node:events';
import { reopenWhenStuck, type StuckHeartbeats, type WatchedClient } from './stuck-heartbeats.js';

/** As the driver's client looks from outside. */
class Client extends EventEmitter {
  readonly done: string[] = [];
  failures = 0;

  async close(): Promise<void> {
    this.did('close');
    this.emit('topologyClosed', {});
  }

  async connect(): Promise<void> {
    this.did('connect');
    if (this.failures-- > 0) throw new Error('nobody listens');
    this.did('connected');
  }

  look(event: 'Started' | 'Succeeded' | 'Failed', connectionId = 'a:1'): void {
    this.emit(`serverHeartbeat${event}`, { connectionId });
  }

  private did(what: string): void {
    this.done.push(what);
    this.emit(what);
  }
}

describe('heartbeats that get stuck', () => {
  let client: Client;
  let watch: StuckHeartbeats | undefined;
  const watchFor = (stuckAfterMs: number): void => {
    watch = reopenWhenStuck(client as unknown as WatchedClient, stuckAfterMs);
  };
  beforeEach(() => (client = new Client()));
  afterEach(() => watch?.stop());

  it('make the client be opened anew, until that succeeds', async () => {
    watchFor(5);
    client.failures = 2;
    client.look('Started');
    await once(client, 'connected');
    expect(client.done).toEqual(['close', 'connect', 'connect', 'connect', 'connected']);
  });

  it('are told from those that end, well or not, each server by itself', async () => {
    watchFor(20);
    client.look('Started', 'a:1');
    client.look('Started', 'b:1');
    client.look('Succeeded', 'a:1');
    client.look('Started', 'a:1');
    client.look('Failed', 'a:1');
    client.look('Failed', 'b:1');
    client.look('Started', 'c:1');
    const reopened = once(client, 'connected');
    client.look('Succeeded', 'c:1');
    client.look('Started', 'd:1');
    await reopened;
    expect(client.done).toEqual(['close', 'connect', 'connected']);
  });

  it('concern nobody once the store is closed', async () => {
    watchFor(60_000);
    client.look('Started');
    await watch?.stop();
    client.look('Started');
    expect(client.done).toEqual([]);
  });

  it('are waited for by whoever closes the store', async () => {
    watchFor(1);
    client.failures = Infinity;
    client.look('Started');
    await once(client, 'connect');
    await watch?.stop();
    const { length } = client.done;
    await new Promise((resolve) => setImmediate(resolve));
    expect(client.done).toHaveLength(length);
  });
});
