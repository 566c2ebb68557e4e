import type { catalogV1 } from '@lastcall/contracts';
import { Services } from './connect.js';
import type { Io } from './io.js';
import { protoJson } from './render/proto-json.js';

/** What one command works with: the services, its output, and the installation that it is about. */
export class Work {
  readonly services: Services;

  constructor(
    readonly io: Io,
    readonly json: boolean,
    private readonly installationId: string | undefined,
  ) {
    this.services = new Services(io);
  }

  /** The installation of `-i`; read once. */
  async installation(): Promise<catalogV1.Installation> {
    this.found ??= this.services.installation(this.installationId);
    return this.found;
  }
  private found: Promise<catalogV1.Installation> | undefined;

  /** The result: proto JSON with `-o json`, else what `human` makes of it. */
  print(json: unknown, human: () => string): void {
    this.io.out.write(this.json ? `${JSON.stringify(protoJson(json), null, 2)}\n` : human());
  }

  /** Proto JSON on one line. */
  compact(json: unknown): string {
    return JSON.stringify(protoJson(json));
  }

  /** One thing that happened on the way; never between the lines of a JSON result. */
  note(text: string): void {
    (this.json ? this.io.err : this.io.out).write(`${text}\n`);
  }
}
