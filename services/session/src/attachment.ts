import type { Principal, sessionV1 } from '@lastcall/contracts';
import { Fault, type Rejected } from '@lastcall/kernel';
import type { StreamReader } from '@lastcall/runtime';
import { deniedFor, noHello, proveFirstStart, readHello, refusal, refuse, type AttachParts } from './door.js';
import type { Refusal } from './domain/admission.js';
import { wrongMessage } from './farewells.js';
import type { Expected, GivenUp } from './hellos.js';
import type { AttachStream, LocalSession } from './local-session.js';
import type { Hello } from './parse-hello.js';

/*
 * One stream of a client, from its beginning to its end: it says hello, waits to be let in, is inside. Called for each message, never
 * awaited: a stream that says nothing costs nothing.
 */

interface Handler {
  resolve(): void;
  reject(error: unknown): void;
}

type Message = sessionV1.AttachRequest;

/** What is said before the welcome waits for it; a client that says more has something else in mind. */
const MAX_EARLY = 20;

export class Attachment implements StreamReader<Message> {
  private waiting: Expected | undefined;
  private early: Message[] | undefined;
  private session: LocalSession | undefined;
  private state: 'new' | 'asking' | 'inside' | 'over' = 'new';
  private isGone = false;

  constructor(
    private readonly parts: AttachParts,
    private readonly stream: AttachStream,
    private principal: Principal | undefined,
    private readonly handler: Handler,
  ) {}

  begin(): void {
    const { hellos } = this.parts;
    this.waiting = hellos.expect(this.principal?.token ?? '', (why) => this.giveUp(why));
    if (this.waiting) this.stream.read(this);
    else this.refuse(refusal('too-many', { phrase: 'hellos-missing' }));
  }

  message(message: Message): void {
    switch (this.state) {
      case 'new':
        return this.knock(message);
      case 'asking':
        this.early ??= [];
        if (this.early.length < MAX_EARLY) this.early.push(message);
        return;
      case 'inside':
        if (this.session) this.parts.hearing.hear(this.session, message.message);
        return;
      case 'over':
        return; // Said before it knew.
    }
  }

  wrong(why: Rejected): void {
    if (this.state === 'inside' && this.session) this.parts.roster.lose(this.session, wrongMessage(why.message));
    else if (this.state === 'new') this.refuse(refusal('invalid', why.message));
    else this.isGone = true;
  }

  /** However the connection ended: without a goodbye the client may come back. */
  end(): void {
    this.isGone = true;
    if (this.session) this.parts.roster.lose(this.session);
    if (this.state !== 'asking') this.finish();
  }

  /** The session has ended, or there is none. */
  finish(): void {
    this.waiting?.done();
    this.state = 'over';
    this.session = undefined;
    this.early = undefined;
    this.handler.resolve();
  }

  private refuse(why: Refusal, hello?: Hello): void {
    refuse(this.parts, this.stream, why, hello);
    this.finish();
  }

  /** A replica that stops sends the client to another one. */
  private giveUp(why: GivenUp): void {
    if (why === 'late') return this.refuse(noHello);
    this.state = 'over';
    this.handler.reject(new Fault('this replica is going down'));
  }

  private knock({ message }: Message): void {
    this.waiting?.done();
    this.waiting = undefined;
    const hello = readHello(message);
    if (!('installation' in hello)) return this.refuse(hello);
    const denied = deniedFor(this.parts, this.principal, hello);
    if (denied) return this.refuse(denied, hello);
    this.state = 'asking';
    const asked = hello.firstStartCode === '' ? this.ask(hello) : this.prove(hello);
    asked.catch((error: unknown) => {
      this.state = 'over';
      this.handler.reject(error);
    });
  }

  private async prove(hello: Hello): Promise<void> {
    await proveFirstStart(this.parts, this.stream, hello);
    this.finish();
  }

  private async ask(hello: Hello): Promise<void> {
    const { token = '', subject = '' } = this.principal ?? {};
    const admitted = await this.parts.admissions.admit({
      hello,
      token,
      subject,
      stream: this.stream,
      connection: this,
    });
    if ('refusal' in admitted) return this.refuse(admitted.refusal, hello);
    // It may have ended already: let in while everybody was being logged off.
    if (!admitted.session.stream && !admitted.session.saving) return this.finish();
    this.enter(admitted.session);
  }

  private enter(session: LocalSession): void {
    const early = this.early ?? [];
    this.state = 'inside';
    this.session = session;
    this.early = undefined;
    this.principal = undefined;
    for (const { message } of early) this.parts.hearing.hear(session, message);
    if (this.isGone) this.end();
  }
}
