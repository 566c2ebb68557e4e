import { pagesOf, type Document } from '@lastcall/store';
import { BY_INSTALLATION, BY_SESSION, EXEMPT, type Documents, type SessionDocument } from './documents.js';

/*
 * How many sessions there are, as the store says. Exempt ones do not count until the data has been backed up. Zero is a count of
 * documents, and what is said to people one of sessions: one that came back has a second document until its old replica, or whoever
 * comes after its lease, has removed the first.
 */

const PAGE = 1_000;

export function countAll({ sessions }: Documents, installation: string): Promise<number> {
  return sessions.count({ index: BY_INSTALLATION, where: { installation } });
}

/** Without the exempt. Zero is said only when one look at the documents found no other. */
export async function countUsers(documents: Documents, installation: string): Promise<number> {
  const all = await countAll(documents, installation);
  const exempt =
    all === 0 ? 0 : await documents.sessions.count({ index: EXEMPT, where: { installation, exempt: true } });
  // Between the two counts some may have come and others gone.
  return exempt < all ? all - exempt : countOneByOne(documents, installation);
}

async function countOneByOne({ sessions }: Documents, installation: string): Promise<number> {
  let count = 0;
  for await (const page of pagesOf(sessions, { index: BY_INSTALLATION, where: { installation }, limit: PAGE })) {
    count += page.filter(({ data }) => data.exempt !== true).length;
  }
  return count;
}

/** For people: each session once, also when it has come back and the place where it was has not gone yet. */
export function countSessions({ sessions }: Documents, installation: string): Promise<number> {
  return sessions.count({ index: BY_SESSION, where: { installation }, distinct: true });
}

/** The same without the exempt. */
export async function countSessionsOfUsers(documents: Documents, installation: string): Promise<number> {
  const all = await countSessions(documents, installation);
  const where = { installation, exempt: true };
  const exempt = await documents.sessions.count({ index: EXEMPT, where, distinct: true });
  // Between the two counts some may have come.
  return Math.max(0, all - exempt);
}

/** The attachment of a session that counts: all the others are about to be removed. */
export async function newestAttachment(
  { sessions }: Pick<Documents, 'sessions'>,
  installation: string,
  session: string,
): Promise<Document<SessionDocument> | undefined> {
  const where = { installation, session };
  const { items } = await sessions.query({ index: BY_SESSION, where, order: 'descending', limit: 1 });
  return items[0];
}
