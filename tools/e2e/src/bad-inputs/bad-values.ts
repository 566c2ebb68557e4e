/* What must not be accepted where something else is meant, once for all tables. */

/** Instead of 1 to 63 characters of a-z, 0-9 and -. */
export const NO_ID = ['', 'UPPER', 'under_score', '-begins', 'ends-', 'a b', '../up', 'straße', 'a'.repeat(64), 'a\0b'];
/** The same where nothing is allowed, too. */
export const NO_ID_IF_SAID = NO_ID.filter((id) => id !== '');
/** Instead of `installations/one`. */
export const NO_INSTALLATION = ['', 'one', 'installations/', 'installations/ONE', 'installations/one/', '/installations/one', 'installations/one\n']; // prettier-ignore
/** Instead of a name like `installations/one/jobs/nightly`, by its collection. */
export const noNameIn = (collection: string): readonly string[] => [
  ...['', 'installations/one', `installations/one/${collection}`, `installations/one/${collection}/`],
  ...[`installations/one/${collection}/../../two`, `installations/one/${collection}/UPPER`],
  ...[`installations/one/${collection}/a/b`, `installations//${collection}/a`, `${collection}/a`],
];
export const NO_VERSION = ['1', '1.0', 'v1.0.0', '1.0.0.0', '01.x.0', '1.0.0 ', '../1.0.0', `1.0.0-${'a'.repeat(70)}`];
/** Instead of 0 to 1,000. */
export const NO_PAGE_SIZE = [-1, 1_001, 2_147_483_647, -2_147_483_648];
export const NO_PAGE_TOKEN = ['x', '!', 'AAAA', '{"after":""}', 'a'.repeat(3_000)];
export const NO_PAGE = { page_size: NO_PAGE_SIZE, page_token: NO_PAGE_TOKEN };
const HIDDEN = ['a\0b', 'a\u001b[2Jb', 'a\u202eb', 'a\u200bb'];
/** Instead of a title. */
export const NO_TITLE = ['', 'x'.repeat(201), 'two\nlines', ...HIDDEN];
/** Instead of a reason or a message. */
export const NO_TEXT = ['', 'x'.repeat(4_001), ...HIDDEN];
export const NO_TEXT_IF_SAID = NO_TEXT.filter((text) => text !== '');
export const NO_HASH = ['', 'x', 'A'.repeat(64), 'a'.repeat(63), 'a'.repeat(65), `${'a'.repeat(62)}/.`];
export const NO_ZONE = ['', 'Mars/Olympus', '+02:00', 'Europe/Berlin\n', '../../etc/localtime'];
export const NO_LOCAL_TIME = ['', 'tomorrow', '2027-13-01T00:00', '2027-02-30T00:00', '2027-01-01T24:01', '1999-01-01T00:00', '2027-01-01T00:00Z']; // prettier-ignore
export const NO_TIME_OF_DAY = ['24:00', '7:00', '12:60', 'noon', '12:00:00'];

export const seconds = (count: number | bigint, nanos = 0): object => ({ seconds: BigInt(count), nanos });
/** Outside of zero to a day. */
export const NO_TIME_WITHIN_A_DAY = [seconds(-1), seconds(86_401), seconds(2n ** 62n), seconds(0, -1_000_000)];
