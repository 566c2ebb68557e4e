import type { EventEnvelope } from '@lastcall/contracts';
import { Fault } from '@lastcall/kernel';
import { randomUUID } from 'node:crypto';
import type { Collection as MongoCollection, UpdateFilter } from 'mongodb';
import { DuplicateKey, INBOX_SIZE, type CollectionSpec, type FieldValue, type Step } from '../port.js';
import { formatSource, say, type Said, type TraceContext } from '../say.js';
import { encodeData, fieldValues } from '../spec.js';
import { Conflict, duplicateIndex, isUnsure } from './mongo-faults.js';
import { eventToStored, type StoredDocument } from './stored.js';

/*
 * One change of one document: read, decide, compare and set. `attempt` is repeated until the write is known to be made.
 *
 * A write compares the id of the write before it, so it is made on exactly the document that the step saw. When the
 * connection breaks and the answer is lost, the next attempt reads the document and finds either its own write, or the
 * one before (then it decides again; only one of the two can be made), or another's: then, without an event whose mark
 * tells, nobody can know whether ours was made and overwritten, and a Fault says so instead of doing it twice.
 */

export interface WriteParts<T extends object> {
  readonly spec: CollectionSpec<T>;
  readonly documents: MongoCollection<StoredDocument>;
  readonly service: string;
  readonly now: () => Promise<number>;
  readonly trace: () => TraceContext;
  /** Called when a write has put something into an outbox. */
  readonly said: () => void;
}

export type WriteOutcome<R> = { readonly taken: true; readonly result: R } | { readonly taken: false; result?: never };

/** A write that was sent and not answered. */
interface Unsure<R> {
  readonly writeId: string;
  readonly before: string | undefined;
  readonly result: R;
  readonly said: boolean;
}

/** What a step wants written, ready to be sent. */
interface Prepared extends Said {
  readonly writeId: string;
  readonly data: string;
  readonly fields: Readonly<Record<string, FieldValue>>;
}

type Current = Pick<StoredDocument, 'version' | 'data' | 'saidAt' | 'writeId'> & { readonly inbox?: readonly string[] };

export class DocumentWrite<T extends object, R> {
  private readonly unsure: Unsure<R>[] = [];

  constructor(
    private readonly parts: WriteParts<T>,
    private readonly id: string,
    private readonly step: Step<T, R>,
    private readonly event: EventEnvelope | undefined,
  ) {}

  async attempt(): Promise<WriteOutcome<R>> {
    const [current, now] = await Promise.all([this.read(), this.parts.now()]);
    const settled = this.settle(current);
    if (settled) return settled;
    const data = current?.data === undefined ? undefined : (JSON.parse(current.data) as T);
    const change = this.step(data, { now, version: current?.version ?? 0 });
    if ('keep' in change) return { taken: true, result: change.keep };
    const { spec, service } = this.parts;
    const source = formatSource(service, spec.name, this.id);
    const before = current ?? { version: 0, saidAt: 0 };
    const said = say(source, before, change.events ?? [], now, this.parts.trace());
    const encoded = encodeData(`${spec.name}/${this.id}`, change.write);
    const prepared = { ...said, writeId: randomUUID(), data: encoded, fields: fieldValues(spec, change.write) };
    await this.send(current, prepared, change.result);
    return this.written(prepared.events.length > 0, change.result);
  }

  private read(): Promise<Current | null> {
    const projection = { version: 1, data: 1, saidAt: 1, writeId: 1, ...(this.event ? { inbox: 1 } : {}) };
    return this.parts.documents.findOne<Current>({ _id: this.id }, { projection });
  }

  /** What an earlier attempt, or an earlier delivery of the event, came to. */
  private settle(current: Current | null): WriteOutcome<R> | undefined {
    const own = this.unsure.find(({ writeId }) => writeId === current?.writeId);
    if (own) return this.written(own.said, own.result);
    // The mark of an event is part of its write, so whether it was taken in is always known.
    if (this.event) return current?.inbox?.includes(this.event.id) ? { taken: false } : undefined;
    if (this.unsure.some(({ before }) => before !== current?.writeId)) {
      const what = `${this.parts.spec.name}/${this.id}`;
      throw new Fault(`MongoDB: the connection broke while ${what} was written, and it is not known whether it was`);
    }
    return undefined;
  }

  private written(said: boolean, result: R): WriteOutcome<R> {
    if (said) this.parts.said();
    return { taken: true, result };
  }

  private async send(current: Current | null, prepared: Prepared, result: R): Promise<void> {
    try {
      await (current ? this.update(current, prepared) : this.insert(prepared));
    } catch (error) {
      if (isUnsure(error)) {
        const { writeId, events } = prepared;
        this.unsure.push({ writeId, before: current?.writeId, result, said: events.length > 0 });
      }
      throw this.sorted(error);
    }
  }

  private async insert({ version, saidAt, writeId, data, fields, events }: Prepared): Promise<void> {
    const time = events[0]?.time;
    await this.parts.documents.insertOne({
      _id: this.id,
      version,
      data,
      fields,
      outbox: events.map(eventToStored),
      inbox: this.event ? [this.event.id] : [],
      saidAt,
      writeId,
      ...(time === undefined ? {} : { pendingSince: time }),
    });
  }

  private async update(current: Current, prepared: Prepared): Promise<void> {
    const { version, saidAt, writeId, data, fields, events } = prepared;
    const inbox = this.event ? { inbox: { $each: [this.event.id], $slice: -INBOX_SIZE } } : {};
    const outbox = events.length > 0 ? { outbox: { $each: events.map(eventToStored) } } : {};
    const change = {
      $set: { version, saidAt, writeId, data, fields },
      $unset: { goneAt: '' },
      ...(this.event || events.length > 0 ? { $push: { ...inbox, ...outbox } } : {}),
      ...(events[0] ? { $min: { pendingSince: events[0].time } } : {}),
    } as UpdateFilter<StoredDocument>;
    const { matchedCount } = await this.parts.documents.updateOne({ _id: this.id, writeId: current.writeId }, change);
    if (matchedCount === 0) throw new Conflict(this.id);
  }

  private sorted(error: unknown): unknown {
    const index = duplicateIndex(error);
    if (index === undefined) return error;
    if (index === '_id_') return new Conflict(this.id);
    // An insert whose answer was lost may be what holds the key: look again, and blame another document only then.
    if (this.unsure.length > 0 && !this.lookedAgain) {
      this.lookedAgain = true;
      return new Conflict(this.id);
    }
    return new DuplicateKey(this.parts.spec.name, index);
  }

  private lookedAgain = false;
}
