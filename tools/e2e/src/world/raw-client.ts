import { sessionV1 } from '@lastcall/contracts';
import { openStream, type ClientStream } from '@lastcall/sdk';
import { INSTALLATION } from './services.js';
import type { World } from './world.js';

/* Clients without our SDK: they do what the contract does not ask of them, and do not do what it asks. */

export type Stream = ClientStream<sessionV1.AttachRequest, sessionV1.AttachResponse>;

export interface Applicant {
  readonly user: string;
  readonly host: string;
  readonly version: string;
}

export function openAttach({ clientChannel }: Pick<World, 'clientChannel'>, applicant: Applicant): Stream {
  const stream = openStream(sessionV1.SessionServiceService.attach, clientChannel, { timeoutMs: 60_000 });
  const hello = sessionV1.Hello.fromPartial({ installation: INSTALLATION, clientKind: 'terminal', ...applicant });
  stream.write({ message: { $case: 'hello', value: hello } });
  return stream;
}

/** What a client is told at the door; who is let in leaves at once. */
export async function knock(world: Pick<World, 'clientChannel'>, applicant: Applicant): Promise<string> {
  const stream = openAttach(world, applicant);
  try {
    for await (const { message } of stream) {
      if (message?.$case === 'welcome') stream.write({ message: { $case: 'goodbye', value: {} } });
      if (message?.$case === 'welcome') return 'welcome';
      if (message?.$case === 'refused') return sessionV1.refusalReasonToJSON(message.value.reason);
    }
    return 'the end';
  } finally {
    stream.end();
  }
}
