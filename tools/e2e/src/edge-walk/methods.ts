import {
  catalogV1,
  commonV1,
  eventsV1,
  healthV1,
  hostEdgeV1,
  hostOrderV1,
  identityV1,
  installerV1,
  operationsV1,
  preflightV1,
  schedulerV1,
  sessionV1,
  type MethodDefinition,
  type ServiceDefinition,
} from '@lastcall/contracts';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/*
 * Every method of every service, read from the generated code, and a request of each that names an installation and does no
 * harm: what it asks for does not exist.
 */

const GENERATED: readonly object[] = [
  catalogV1,
  commonV1,
  eventsV1,
  healthV1,
  hostEdgeV1,
  hostOrderV1,
  identityV1,
  installerV1,
  operationsV1,
  preflightV1,
  schedulerV1,
  sessionV1,
];

function isDefinition(value: unknown): value is ServiceDefinition {
  if (typeof value !== 'object' || value === null) return false;
  const methods: readonly unknown[] = Object.values(value);
  return methods.length > 0 && methods.every((m) => typeof m === 'object' && m !== null && 'requestStream' in m);
}

export const METHODS: readonly MethodDefinition[] = GENERATED.flatMap((module) =>
  Object.values(module)
    .filter(isDefinition)
    .flatMap((definition) => Object.values(definition)),
);

/** Paths of the methods that stand in the .proto files: what no generated code may lack. */
export function methodsInProtos(): readonly string[] {
  const root = resolve(__dirname, '../../../../proto');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.proto'));
  return files.flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const area = /^package ([\w.]+);/m.exec(text)?.[1] ?? '';
    return [...text.matchAll(/^service (\w+) \{([\s\S]*?)^\}/gm)].flatMap(([, service, body = '']) =>
      [...body.matchAll(/^ {2}rpc (\w+)\(/gm)].map(([, method]) => `/${area}.${service}/${method}`),
    );
  });
}

type Message = Readonly<Record<string, unknown>>;

/** Requests that name their installation in the resource which they carry. */
const IN_RESOURCE: Readonly<Record<string, (name: string) => Message>> = {
  UpdateInstallation: (name) => ({ installation: catalogV1.Installation.fromPartial({ name }) }),
  UpdateJob: (name) => ({ job: schedulerV1.Job.fromPartial({ name }) }),
};

let visitors = 0;

/** First messages of streams. Each visitor is another person: there is a limit for the attempts of one. */
const FIRST: Readonly<Record<string, (installation: string) => Message>> = {
  Attach: (installation) => {
    const hello = sessionV1.Hello.fromPartial({ installation, user: `user-${++visitors}`, version: '1.0.0' });
    return { message: { $case: 'hello', value: hello } };
  },
  Connect: () => {
    const hello = hostEdgeV1.AgentHello.fromPartial({ agentVersion: '9.0.0', platform: 'linux-x64' });
    return { message: { $case: 'hello', value: hello } };
  },
};

export const nameOf = ({ path }: MethodDefinition): string => path.split('/')[2] ?? '';

/** Throws when it is not known how a request of this method names its installation. */
export function requestAbout(method: MethodDefinition, installation: string): Message {
  const parent = `installations/${installation}`;
  const name = `${parent}/walk/nothing`;
  const known = FIRST[nameOf(method)]?.(installation) ?? IN_RESOURCE[nameOf(method)]?.(name);
  const empty = method.requestDeserialize(Buffer.alloc(0)) as Message;
  if (known) return { ...empty, ...known };
  if ('parent' in empty) return { ...empty, parent };
  if ('name' in empty) return { ...empty, name };
  return empty;
}
