/*
 * The shape of generated gRPC service definitions (ts-proto, outputServices=grpc-js), and what can be read off one.
 * The runtime serves any of them, the SDK calls any of them.
 */

// `any` as in the generated code: a method's types differ in every entry, and both directions of a codec are needed.
/* eslint-disable @typescript-eslint/no-explicit-any */
export interface MethodDefinition {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (value: any) => Buffer;
  readonly requestDeserialize: (value: Buffer) => any;
  readonly responseSerialize: (value: any) => Buffer;
  readonly responseDeserialize: (value: Buffer) => any;
}
/* eslint-enable @typescript-eslint/no-explicit-any */

export type ServiceDefinition = Readonly<Record<string, MethodDefinition>>;

/** Request message of a method. */
export type RequestOf<M> = M extends { requestDeserialize: (value: Buffer) => infer R } ? R : never;
/** Response message of a method. */
export type ResponseOf<M> = M extends { responseDeserialize: (value: Buffer) => infer R } ? R : never;
