import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';

/* The messages and methods of the contracts, from the .proto files: with the types of all fields, which generated code does not tell. */

export interface FieldType {
  readonly name: string;
  readonly number: number;
  /** `TYPE_STRING`… */
  readonly type: string;
  /** Of a message: its full name. */
  readonly typeName?: string;
  readonly label?: string;
}

export interface MethodType {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly input: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

export interface Contracts {
  readonly methods: readonly MethodType[];
  /** By full name with a dot before it. */
  readonly messages: ReadonlyMap<string, readonly FieldType[]>;
}

interface WireMessage {
  readonly name: string;
  readonly field?: readonly FieldType[];
  readonly nestedType?: readonly WireMessage[];
}

interface WireFile {
  readonly package: string;
  readonly messageType?: readonly WireMessage[];
  readonly service?: readonly {
    readonly name: string;
    readonly method: readonly {
      readonly name: string;
      readonly inputType: string;
      readonly clientStreaming?: boolean;
      readonly serverStreaming?: boolean;
    }[];
  }[];
}

/** Of the workspace, from a source or a compiled file of this package. */
export const ROOT = resolve(__dirname, '../../..');

export function readContracts(root = ROOT): Contracts {
  const buf = resolve(root, 'node_modules/.bin/buf');
  const image = execFileSync(buf, ['build', '-o', '-#format=json'], { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  const { file } = JSON.parse(image.toString('utf8')) as { file: readonly WireFile[] };
  const messages = new Map<string, readonly FieldType[]>();
  for (const { package: area, messageType = [] } of file) addMessages(messages, `.${area}`, messageType);
  return { methods: file.flatMap(methodsOf), messages };
}

function addMessages(all: Map<string, readonly FieldType[]>, parent: string, messages: readonly WireMessage[]): void {
  for (const { name, field = [], nestedType = [] } of messages) {
    all.set(`${parent}.${name}`, field);
    addMessages(all, `${parent}.${name}`, nestedType);
  }
}

function methodsOf({ package: area, service = [] }: WireFile): MethodType[] {
  return service.flatMap(({ name, method }) =>
    method.map(({ name: methodName, inputType, clientStreaming = false, serverStreaming = false }) => ({
      path: `/${area}.${name}/${methodName}`,
      input: inputType,
      requestStream: clientStreaming,
      responseStream: serverStreaming,
    })),
  );
}
