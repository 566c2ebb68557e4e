import { HOUR_MS, randomSecret, sha256Hex } from '@lastcall/kernel';
import { createLogger } from '@lastcall/runtime';
import { describeWith, startStack, type Stack, type StackOptions } from '@lastcall/testkit';
import { chooseCandidates, type Admitted, type Candidate } from './candidates.js';
import { Capacity } from './capacity.js';
import { attachmentId, openDocuments, type Documents, type SessionDocument } from './documents.js';
import { Ledger } from './ledger.js';
import type { AttachStream } from './local-session.js';
import { parseHello, resumeToken, type Hello } from './parse-hello.js';
import { Presence } from './presence.js';
import { sessionModule } from './service.js';
import { sessionId } from './session-id.js';
import { Sheets } from './sheets.js';
import { helloOf } from './testing/attach-client.js';
import { INSTALLATION } from './testing/run-events.js';
import { openSite } from './testing/site.js';

/*
 * Those who come back: while their last attachment is on its way out, and hundreds at the same moment, behind whom a replica's lease must
 * not wait.
 */

const log = createLogger('silent');
const secret = randomSecret();
const now = () => Date.now();
const OTHER = 'rep-other';
/** A whole batch of the door. */
const MANY = 500;

function suite(options: Omit<StackOptions, 'modules'>): void {
  let stack: Stack;
  let documents: Documents;
  let ledger: Ledger;
  let presence: Presence;

  beforeAll(async () => {
    stack = await openSite(await startStack({ modules: [sessionModule], ...options }));
    documents = await openDocuments(stack.store('session'));
  });
  beforeEach(async () => {
    ledger = new Ledger({ documents, sheets: new Sheets({ documents, now }), log, removed: () => undefined });
    presence = new Presence({
      ...{ documents, leaseMs: HOUR_MS, graceMs: 0, log },
      owns: () => true,
      lost: () => undefined,
      buried: async () => undefined,
    });
    await presence.renew();
  });
  afterEach(() => presence.release());
  afterAll(() => stack.stop());

  const sessions = (count: number) => Array.from({ length: count }, (_, i) => sessionId(now() + i));

  /** Attachments to another replica, whose lease lasts for so long. */
  async function insert(ids: readonly string[], attachments: readonly number[], leaseMs: number): Promise<void> {
    const at = now();
    await documents.replicas.insertMany([{ id: OTHER, data: { renewedAt: at, leaseUntil: at + leaseMs } }]);
    const all = ids.flatMap((session) =>
      attachments.map((attachment) => {
        const who = {
          installation: INSTALLATION,
          session,
          user: 'ann',
          displayName: 'ann',
          host: '',
          version: '11.0.0',
        };
        const where = { replica: OTHER, epoch: 0, createdAt: at, clientKind: '', secretHash: sha256Hex(secret) };
        const data: SessionDocument = { ...who, ...where, attachment };
        return { id: attachmentId(session, attachment), data };
      }),
    );
    await documents.sessions.insertMany(all);
  }

  /** What the door of this replica makes of the tokens of these sessions. */
  async function comeBack(ids: readonly string[]): Promise<Candidate[]> {
    const refused: Admitted[] = [];
    const entries = ids.map((session) => {
      const hello = parseHello(helloOf({ resumeToken: resumeToken(session, secret) })) as Hello;
      const connection = { finish: () => undefined };
      return {
        applicant: { hello, token: '', subject: '', stream: {} as AttachStream, connection },
        resolve: (admitted: Admitted) => void refused.push(admitted),
        reject: (error: unknown) => {
          throw error;
        },
      };
    });
    const settings = { maxSessionsPerInstallation: MANY };
    const record = await documents.gates.get(INSTALLATION);
    const parts = { documents, ledger, presence, settings };
    const found = await chooseCandidates(parts, new Capacity(documents, MANY, now), record!, presence.replica, entries);
    expect(refused).toEqual([]);
    return found;
  }

  it('are the same session when that attachment was taken back before it was welcomed', async () => {
    const [session = ''] = sessions(1);
    await insert([session], [1, 2], HOUR_MS);
    ledger.remove({ installation: INSTALLATION, id: attachmentId(session, 2) });
    expect((await comeBack([session])).map(({ id }) => id)).toEqual([attachmentId(session, 2)]);
  });

  it('are a new session when that attachment was the only one', async () => {
    const [session = ''] = sessions(1);
    await insert([session], [1], HOUR_MS);
    ledger.remove({ installation: INSTALLATION, id: attachmentId(session, 1) });
    const [candidate] = await comeBack([session]);
    expect(candidate).toMatchObject({ before: undefined, data: { attachment: 1 } });
    expect(candidate?.data.session).not.toBe(session);
  });

  it('do not keep the lease waiting, however many they are', async () => {
    const ids = sessions(MANY);
    await insert(ids, [1], HOUR_MS);
    const begunAt = performance.now();
    const coming = comeBack(ids);
    // When all of them have been asked for.
    await new Promise((resolve) => setImmediate(resolve));
    const renewedFrom = performance.now();
    await presence.renew();
    const renewalMs = performance.now() - renewedFrom;
    expect(await coming).toHaveLength(MANY);
    expect(renewalMs).toBeLessThan((performance.now() - begunAt) / 2);
  });
}

describeWith('mongodb', 'those who come back, MongoDB', () => suite({ store: 'mongodb' }));
