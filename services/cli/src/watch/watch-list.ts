import { setTimeout as delay } from 'node:timers/promises';
import { CallError, CODE } from '@lastcall/sdk';
import type { Work } from '../work.js';

/*
 * A list that changes, until the command is told to stop: drawn over itself on a terminal, one line for each difference elsewhere,
 * one line of JSON for each different list with `-o json`. A service that restarts meanwhile is waited for.
 */

export interface WatchedList<T> {
  read(): Promise<readonly T[]>;
  keyOf(item: T): string;
  /** The list as JSON. */
  toJson(items: readonly T[]): unknown;
  /** The whole list, for a terminal. */
  text(items: readonly T[]): string;
  /** An item that is new, other than before, or gone. What the line of a change does not show is no change. */
  line(item: T, what: 'new' | 'changed' | 'gone'): string;
}

const EVERY_MS = 2_000;
/** More would not be read. */
const MAX_LINES = 40;

export async function watchList<T>(work: Work, list: WatchedList<T>, everyMs = EVERY_MS): Promise<void> {
  const stop = new AbortController();
  void work.io.stopped().then(() => stop.abort());
  const show = work.json ? jsonLines(work, list) : work.io.isTerminal ? screen(work, list) : lines(work, list);
  while (!stop.signal.aborted) {
    const items = await readOrNothing(list);
    if (items) show(items);
    await delay(everyMs, undefined, { signal: stop.signal }).catch(() => undefined);
  }
}

async function readOrNothing<T>(list: WatchedList<T>): Promise<readonly T[] | undefined> {
  try {
    return await list.read();
  } catch (error) {
    if (error instanceof CallError && error.code === CODE.unavailable) return undefined;
    throw error;
  }
}

function jsonLines<T>(work: Work, list: WatchedList<T>): (items: readonly T[]) => void {
  let before: string | undefined;
  return (items) => {
    const text = work.compact(list.toJson(items));
    if (text !== before) work.io.out.write(`${text}\n`);
    before = text;
  };
}

function screen<T>({ io }: Work, list: WatchedList<T>): (items: readonly T[]) => void {
  let drawn = 0;
  return (items) => {
    const all = [...list.text(items).trimEnd().split('\n'), 'Ctrl-C stops watching.'];
    const shown = all.length > MAX_LINES ? [...all.slice(0, MAX_LINES), `… ${all.length - MAX_LINES} more lines`] : all;
    const up = drawn > 0 ? `\u001b[${drawn}A` : '';
    io.out.write(`${up}\r\u001b[0J${shown.map((line) => line.slice(0, io.columns())).join('\n')}\n`);
    drawn = shown.length;
  };
}

function lines<T>(work: Work, list: WatchedList<T>): (items: readonly T[]) => void {
  let before = new Map<string, { readonly item: T; readonly state: string }>();
  return (items) => {
    const now = new Map(items.map((item) => [list.keyOf(item), { item, state: list.line(item, 'changed') }]));
    for (const [key, { item, state }] of now) {
      const known = before.get(key);
      if (!known) work.note(list.line(item, 'new'));
      else if (known.state !== state) work.note(state);
    }
    for (const [key, { item }] of before) if (!now.has(key)) work.note(list.line(item, 'gone'));
    before = now;
  };
}
