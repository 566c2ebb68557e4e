import { HOUR_MS } from '@lastcall/kernel';
import { createLogger } from '@lastcall/runtime';
import { openStore, type Store } from '@lastcall/store';
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { schedulerSettings } from '../settings.js';
import { MAX_ATTEMPTS } from '../domain/delivery.js';
import { createDeliverer } from './deliverer.js';
import { BY_TARGET, openNotificationDocuments, type Channel, type NotificationDocuments } from './documents.js';
import { testNotification, type Notification } from './notification.js';
import { createNotifications, type Notifications } from './notifications.js';

/*
 * Deliveries against a real HTTP server and a real SMTP server. The store is SQLite in memory; its clock is moved by hand, so that
 * what takes hours takes none.
 */

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const NEVER_STOPPED = new AbortController().signal;

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let real: Store;
let store: Store;
let movedMs: number;
let documents: NotificationDocuments;
let notifications: Notifications;
const lines: string[] = [];
const servers: Server[] = [];

beforeEach(async () => {
  movedMs = 0;
  lines.splice(0);
  real = await openStore({ url: '', file: ':memory:', service: 'scheduler', database: '' });
  store = Object.create(real, { now: { value: async () => (await real.now()) + movedMs } }) as Store;
  documents = await openNotificationDocuments(store);
  notifications = createNotifications(documents, store, () => undefined);
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await real.close();
});

async function receiver(answer: (response: ServerResponse, nth: number) => void, port = 0) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
      answer(response, received.length);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { received, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?key=hidden` };
}

const answers = (status: number) => (response: ServerResponse) => void response.writeHead(status).end();

async function add(target: string, channel: Channel, more: { installation?: string } = {}): Promise<void> {
  const data = { installation: 'berlin', target, title: '', channel, kinds: [], createdAt: 0, ...more };
  await documents.targets.insertMany([{ id: `${data.installation}/${target}`, data }]);
}
const webhook = (url: string): Channel => ({ kind: 'webhook', url, secret: SECRET });
const NOTIFICATION: Notification = testNotification('berlin', 'ops', 't-1', 'anna');

function deliverer(settings: Record<string, unknown> = {}) {
  const log = createLogger('info', { write: (line: string) => void lines.push(line) });
  const parsed = schedulerSettings.parse(settings);
  return createDeliverer({ store, settings: parsed, log, random: () => 1 }, documents);
}
const run = (duty = deliverer()) => duty.runOnce(NEVER_STOPPED);
async function deliveries(target = 'ops') {
  const where = { target_id: `berlin/${target}` };
  return (await documents.deliveries.query({ index: BY_TARGET, where, limit: 100 })).items;
}
const states = async (target?: string) => (await deliveries(target)).map(({ data }) => data.state);

describe('a webhook', () => {
  it('is signed over id, time and body, and carries what happened', async () => {
    const { received, url } = await receiver(answers(204));
    await add('ops', webhook(url));
    await notifications.tell(NOTIFICATION);
    await run();
    const [{ headers, body } = { headers: {}, body: '' }] = received;
    const [id, seconds] = [headers['webhook-id'], headers['webhook-timestamp']];
    const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
    const wanted = createHmac('sha256', key)
      .update(`${String(id)}.${String(seconds)}.${body}`)
      .digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${wanted}`);
    expect(Math.abs(Number(seconds) - Date.now() / 1_000)).toBeLessThan(5);
    expect(JSON.parse(body)).toMatchObject({ type: 'test', data: { installation: 'berlin', target: 'ops' } });
    expect(await states()).toMatchObject([{ phase: 'delivered', attempts: 1 }]);
    expect((await deliveries())[0]?.id).toBe(id);
  });

  it('is told once, however often the same is said and looked at', async () => {
    const { received, url } = await receiver(answers(200));
    await add('ops', webhook(url));
    await Promise.all([notifications.tell(NOTIFICATION), notifications.tell(NOTIFICATION)]);
    await Promise.all([run(), run(), run()]);
    await notifications.tell(NOTIFICATION);
    await run();
    expect(received).toHaveLength(1);
  });

  it('comes again under the same id when the receiver was down, later each time, and signed anew', async () => {
    const { received, url } = await receiver((response, nth) => answers(nth < 3 ? 503 : 200)(response));
    await add('ops', webhook(url));
    await notifications.tell(NOTIFICATION);
    for (let round = 1; round <= 3; round++) {
      const dueAt = await run();
      if (round < 3)
        expect(await states()).toMatchObject([{ attempts: round, dueAt, lastError: 'the receiver answered 503' }]);
      await run();
      expect(received).toHaveLength(round);
      movedMs += 10_000 * 2 ** (round - 1) + 1_000;
    }
    const of = (header: string) => new Set(received.map(({ headers }) => headers[header]));
    expect([of('webhook-id').size, new Set(received.map(({ body }) => body)).size]).toEqual([1, 1]);
    expect(of('webhook-signature').size).toBe(3);
    expect(await states()).toMatchObject([{ phase: 'delivered', attempts: 3 }]);
  });

  it('waits for a receiver that is not there, and is delivered when it is back', async () => {
    const first = await receiver(answers(200));
    const server = servers.pop();
    await new Promise((resolve) => server?.close(resolve));
    await add('ops', webhook(first.url));
    await notifications.tell(NOTIFICATION);
    await run();
    expect(await states()).toMatchObject([{ phase: 'waiting', lastError: 'ECONNREFUSED' }]);
    const { received } = await receiver(answers(200), Number(new URL(first.url).port));
    movedMs += HOUR_MS;
    await run();
    expect(received).toHaveLength(1);
    expect(await states()).toMatchObject([{ phase: 'delivered', attempts: 2 }]);
  });

  it('gives up on a receiver that hangs after its time, and tells the others meanwhile', async () => {
    const hanging = await receiver(() => undefined);
    const good = await receiver(answers(200));
    await add('ops', webhook(hanging.url));
    await add('pager', webhook(good.url));
    await notifications.tell(NOTIFICATION);
    await run(deliverer({ notifyTimeoutMs: 1_000 }));
    expect(await states('pager')).toMatchObject([{ phase: 'delivered' }]);
    expect(await states()).toMatchObject([{ phase: 'waiting', attempts: 1, lastError: 'no answer within 1 s' }]);
  });

  it('that hangs costs one timeout, however much waits for it', async () => {
    let hangs = true;
    const { received, url } = await receiver((response) => (hangs ? undefined : answers(200)(response)));
    await add('ops', webhook(url));
    for (let i = 0; i < 5; i++) {
      await notifications.tell({ ...NOTIFICATION, subject: `t-${i}`, title: `number ${i}` });
      movedMs += 1_000;
    }
    await run(deliverer({ notifyTimeoutMs: 300 }));
    expect((await states()).map((state) => 'attempts' in state && state.attempts).toSorted()).toEqual([0, 0, 0, 0, 1]);
    expect(received).toHaveLength(1);
    await run(deliverer({ notifyTimeoutMs: 300 }));
    expect(received).toHaveLength(1);
    hangs = false;
    movedMs += HOUR_MS;
    await run();
    const titles = received.map(({ body }) => (JSON.parse(body) as { data: { title: string } }).data.title);
    expect(new Set(titles)).toEqual(new Set([0, 1, 2, 3, 4].map((i) => `number ${i}`)));
    expect((await states()).every(({ phase }) => phase === 'delivered')).toBe(true);
  });

  it('does not follow a redirect, and does not read an answer without end', async () => {
    const elsewhere = await receiver(answers(200));
    const moved = await receiver((response) => void response.writeHead(302, { location: elsewhere.url }).end());
    await add('ops', webhook(moved.url));
    const endless = await receiver((response) => {
      response.writeHead(200);
      const more = setInterval(() => response.write('x'.repeat(65_536)), 1);
      response.on('close', () => clearInterval(more));
    });
    await add('pager', webhook(endless.url));
    await notifications.tell(NOTIFICATION);
    await run();
    expect(elsewhere.received).toHaveLength(0);
    expect(await states()).toMatchObject([{ lastError: 'the receiver answered 302; redirects are not followed' }]);
    expect(await states('pager')).toMatchObject([{ phase: 'delivered' }]);
  });

  it('is dead after its last attempt: visible, said in the log, and without the address or the secret there', async () => {
    const { received, url } = await receiver(answers(500));
    await add('ops', webhook(url));
    await notifications.tell(NOTIFICATION);
    for (let round = 0; round < MAX_ATTEMPTS + 3; round++) {
      await run();
      movedMs += 2 * HOUR_MS;
    }
    expect(received).toHaveLength(MAX_ATTEMPTS);
    expect(await states()).toMatchObject([
      { phase: 'dead', attempts: MAX_ATTEMPTS, lastError: 'the receiver answered 500' },
    ]);
    const said = lines.join('');
    expect(said).toContain('installations/berlin/notification-targets/ops');
    expect(said).not.toMatch(/hidden|whsec_|127\.0\.0\.1/);
  });

  it('goes to who wants to know this, in this installation', async () => {
    const { received, url } = await receiver(answers(200));
    await add('elsewhere', webhook(url), { installation: 'bonn' });
    const data = { installation: 'berlin', target: 'failures', title: '', channel: webhook(url), createdAt: 0 };
    await documents.targets.insertMany([{ id: 'berlin/failures', data: { ...data, kinds: ['run-failed'] } }]);
    await notifications.tell(NOTIFICATION);
    await notifications.tell({ ...NOTIFICATION, kind: 'run-failed', subject: 'r-1' });
    await run();
    expect(received.map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual(['run-failed']);
  });
});

describe('a crash', () => {
  it('between the write and the sending loses nothing', async () => {
    const { received, url } = await receiver(answers(200));
    await add('ops', webhook(url));
    // Told, and the process is gone: the next one finds it by its due time.
    await notifications.tell(NOTIFICATION);
    await run(deliverer());
    expect(received).toHaveLength(1);
  });

  it('between the sending and the mark sends it again under the same id, and only when the attempt is lost', async () => {
    const { received, url } = await receiver(answers(200));
    await add('ops', webhook(url));
    await notifications.tell(NOTIFICATION);
    const [claimed] = await deliveries();
    await run();
    // As the document stood when the process died.
    const state = { phase: 'waiting', attempts: 1, dueAt: (await store.now()) + 5_000, lastError: '' } as const;
    await documents.deliveries.change(claimed?.id ?? '', (current) =>
      current ? { write: { ...current, state }, result: undefined } : { keep: undefined },
    );
    await run();
    expect(received).toHaveLength(1);
    movedMs += 6_000;
    await run();
    expect(received.map(({ headers }) => headers['webhook-id'])).toEqual([claimed?.id, claimed?.id]);
    expect(await states()).toMatchObject([{ phase: 'delivered', attempts: 2 }]);
  });

  it('is none for an attempt that a stop interrupts: it comes to its turn again', async () => {
    let arrived = (): void => undefined;
    const waiting = new Promise<void>((resolve) => (arrived = resolve));
    const { url } = await receiver(() => arrived());
    await add('ops', webhook(url));
    await notifications.tell(NOTIFICATION);
    const stopping = new AbortController();
    const running = deliverer({ notifyTimeoutMs: 60_000 }).runOnce(stopping.signal);
    await waiting;
    stopping.abort();
    await running;
    expect(await states()).toMatchObject([{ phase: 'waiting', attempts: 1, lastError: 'the service was stopped' }]);
  });

  it('in the middle of deleting a target leaves deliveries that find nobody and go away', async () => {
    const { received, url } = await receiver(answers(200));
    await add('ops', webhook(url));
    await notifications.tell(NOTIFICATION);
    await documents.targets.remove('berlin/ops');
    await run();
    expect([received.length, (await deliveries()).length]).toEqual([0, 0]);
  });
});

describe('mail', () => {
  interface Mail {
    readonly to: string[];
    readonly text: string;
  }
  let mails: Mail[];
  let smtp: SMTPServer;
  let refuse: boolean;
  let smtpUrl: string;
  beforeEach(async () => {
    [mails, refuse] = [[], false];
    smtp = new SMTPServer({
      authOptional: true,
      hideSTARTTLS: true,
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          if (refuse) return done(Object.assign(new Error('mailbox is full'), { responseCode: 452 }));
          const to = session.envelope.rcptTo.map(({ address }) => address);
          mails.push({ to, text: Buffer.concat(chunks).toString('utf8') });
          done();
        });
      },
    });
    await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve));
    smtpUrl = `smtp://127.0.0.1:${(smtp.server.address() as AddressInfo).port}`;
  });
  afterEach(() => new Promise<void>((resolve) => smtp.close(() => resolve())));

  const to: Channel = { kind: 'mail', to: ['ada@example.org', 'ops@example.org'] };

  it('goes to every address, with its id and without lines that its text would add', async () => {
    await add('ops', to);
    await notifications.tell({ ...NOTIFICATION, title: 'Done: 50 % ü', text: 'All is well.\nBcc: eve@example.org' });
    await run(deliverer({ smtpUrl, smtpFrom: 'lastcall@example.org' }));
    const [delivery] = await deliveries();
    expect(delivery?.data.state).toMatchObject({ phase: 'delivered' });
    expect(mails).toMatchObject([{ to: ['ada@example.org', 'ops@example.org'] }]);
    const [head = '', body = ''] = mails[0]?.text.split('\r\n\r\n') ?? [];
    expect(head).toContain(`Message-ID: <${delivery?.id ?? ''}@lastcall>`);
    expect(head).toContain('From: lastcall@example.org');
    expect(head).not.toMatch(/^bcc/im);
    expect(body).toContain('All is well.');
  });

  it('waits while the server refuses, is away or is not set, and is delivered in the end', async () => {
    await add('ops', to);
    await notifications.tell(NOTIFICATION);
    await run();
    expect(await states()).toMatchObject([{ lastError: 'no SMTP server is set: LASTCALL_SMTP_URL' }]);
    movedMs += HOUR_MS;
    refuse = true;
    await run(deliverer({ smtpUrl }));
    expect(await states()).toMatchObject([{ attempts: 2, lastError: expect.stringContaining('mailbox is full') }]);
    movedMs += HOUR_MS;
    await run(deliverer({ smtpUrl: 'smtp://127.0.0.1:1' }));
    expect(await states()).toMatchObject([{ attempts: 3, lastError: expect.stringContaining('ECONNREFUSED') }]);
    movedMs += HOUR_MS;
    refuse = false;
    await run(deliverer({ smtpUrl }));
    expect(await states()).toMatchObject([{ phase: 'delivered', attempts: 4 }]);
    expect(mails).toHaveLength(1);
  });

  it('does not wait for a server that says nothing', async () => {
    const silent = await receiver(() => undefined);
    await add('ops', to);
    await notifications.tell(NOTIFICATION);
    await run(deliverer({ notifyTimeoutMs: 300, smtpUrl: `smtp://127.0.0.1:${new URL(silent.url).port}` }));
    expect(await states()).toMatchObject([{ phase: 'waiting', attempts: 1 }]);
  });
});
