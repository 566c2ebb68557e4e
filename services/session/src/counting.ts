import { BY_INSTALLATION, EXEMPT, type Documents } from './documents.js';

/*
 * How many sessions there are, as the store says. Exempt ones do not count until the data has been backed up.
 */

const PAGE = 1_000;

export function countAll({ sessions }: Documents, installation: string): Promise<number> {
  return sessions.count({ index: BY_INSTALLATION, where: { installation } });
}

/** Without the exempt. Zero is said only when one look at the documents found no other; a number beside it is for people. */
export async function countUsers(documents: Documents, installation: string): Promise<number> {
  const all = await countAll(documents, installation);
  const exempt =
    all === 0 ? 0 : await documents.sessions.count({ index: EXEMPT, where: { installation, exempt: true } });
  // Between the two counts some may have come and others gone.
  return exempt < all ? all - exempt : countOneByOne(documents, installation);
}

async function countOneByOne({ sessions }: Documents, installation: string): Promise<number> {
  let count = 0;
  let token: { pageToken?: string } = {};
  do {
    const page = await sessions.query({ index: BY_INSTALLATION, where: { installation }, limit: PAGE, ...token });
    count += page.items.filter(({ data }) => data.exempt !== true).length;
    token = page.nextPageToken === undefined ? {} : { pageToken: page.nextPageToken };
  } while (token.pageToken !== undefined);
  return count;
}
