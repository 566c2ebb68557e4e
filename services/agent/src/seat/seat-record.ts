import { checkVersion } from '@lastcall/contracts';
import { checkId, invalid, reject, RejectedError } from '@lastcall/kernel';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { seatDecider, type SeatBook } from '../domain/seat-update.js';
import { writeFileDurably } from '../files.js';
import { writeHostRecord } from '../host-record.js';
import { layoutOf, makeFolders, type Layout } from '../layout.js';
import { lock } from '../lock.js';
import { demandCommandUser } from '../platform/command-user.js';
import { pinRoot } from '../tuf/release-source.js';

/*
 * What a single seat is: `agent.json` as on every host, without services; `seat.json` with the
 * program that works on it; `seat-update.json`, the update in hand and the last ones. Each is replaced as a whole.
 */

export interface SeatRecord {
  /** Node and the file of the agent: whoever wants to drive the seat finds the program that set it up. */
  readonly program: readonly [node: string, file: string];
}

export interface SeatSetup {
  readonly dataDir: string;
  /** Where the signed files are: `https://vendor.example/updates`. */
  readonly url: string;
  readonly product: string;
  /** The vendor's root of trust, delivered with the application. */
  readonly root: Uint8Array;
  readonly env: Readonly<Record<string, string>>;
  readonly program: readonly [string, string];
}

/** Makes a seat, or gives one that there is a new address or environment. Its trust is pinned once. */
export function setUpSeat(setup: SeatSetup): void {
  const url = checkSetup(setup);
  demandCommandUser();
  const layout = layoutOf(setup.dataDir);
  makeFolders(layout);
  const held = lock(layout);
  try {
    if (!existsSync(seatFile(layout))) pin(layout, setup.root);
    const { product, env } = setup;
    const names = { installation: 'seat', host: 'seat', role: 'server' as const };
    writeFileDurably(seatFile(layout), `${JSON.stringify({ program: setup.program }, null, 2)}\n`);
    writeHostRecord(layout, { address: '', tlsCaFile: '', ...names, product, catalogUrl: url, env });
  } finally {
    held.release();
  }
}

function checkSetup({ url, product }: SeatSetup): string {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  const isWeb = address && /^https?:$/.test(address.protocol) && address.username === '' && address.search === '';
  const wrongUrl = { field: 'url', description: 'must be an http or https address without user and query' };
  const violations = [checkId('product', product), isWeb ? undefined : wrongUrl].filter((v) => v !== undefined);
  if (violations.length > 0) throw new RejectedError(invalid(violations));
  return url.replace(/\/+$/, '');
}

function pin(layout: Layout, root: Uint8Array): void {
  try {
    pinRoot(layout, root);
  } catch (cause) {
    const description = `is no root of trust (${(cause as Error).message}); take tuf/root.json of the vendor`;
    throw new RejectedError(invalid([{ field: 'root', description }]));
  }
}

export function readSeatRecord(layout: Layout): SeatRecord {
  if (existsSync(seatFile(layout))) return JSON.parse(readFileSync(seatFile(layout), 'utf8')) as SeatRecord;
  const message = `${layout.root} is no single seat: run "lastcall-agent seat init --data ${layout.root} --url URL --product P --root FILE" first.`;
  throw new RejectedError(reject('not-found', 'NO_SEAT', message));
}

/** The update in hand and the last ones. A seat without the file rests. */
export function readSeatBook(layout: Layout): SeatBook {
  if (!existsSync(bookFile(layout))) return seatDecider.initial;
  return JSON.parse(readFileSync(bookFile(layout), 'utf8')) as SeatBook;
}

export function writeSeatBook(layout: Layout, book: SeatBook): void {
  writeFileDurably(bookFile(layout), `${JSON.stringify(book, null, 2)}\n`);
}

export function checkWantedVersion(version: string | undefined): void {
  const wrong = version === undefined ? undefined : checkVersion('version', version);
  if (wrong) throw new RejectedError(invalid([wrong]));
}

const seatFile = (layout: Layout): string => resolve(layout.root, 'seat.json');
const bookFile = (layout: Layout): string => resolve(layout.root, 'seat-update.json');
