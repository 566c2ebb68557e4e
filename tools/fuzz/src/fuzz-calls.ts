import { hostEdgeV1, PERMISSIONS, sessionV1 } from '@lastcall/contracts';
import type { Channel } from '@lastcall/sdk';
import { createMessageGenerator, type MessageGenerator } from './message-generator.js';
import { readContracts, type MethodType } from './message-types.js';
import type { Measured } from './monitor.js';
import { createRandom, type Random } from './random.js';
import { send, type Answer } from './send.js';
import type { Target } from './target.js';

/* Mutated messages to every method of a target, many at a time. */

export interface CallsOptions {
  readonly seed: number;
  readonly messages: number;
  readonly target: Target;
  /** Share of the messages that go over the agents' stream. */
  readonly agentShare: number;
  readonly say: (text: string) => void;
}

export interface CallsReport {
  readonly messages: number;
  /** Messages over the agents' stream. */
  readonly agentMessages: number;
  readonly methods: number;
  /** Answers by gRPC status. */
  readonly codes: Readonly<Record<string, number>>;
  readonly findings: readonly string[];
  readonly memoryGrowthBytes: number;
  readonly stallMs: number;
  readonly ownStallMs: number;
  readonly perSecond: number;
}

const AT_A_TIME = 24;
const PER_STREAM = 5;
const MAX_FINDINGS = 50;
/** Before the memory is looked at first: code is compiled and caches are filled then. */
const WARM_UP = 0.2;

/** How long it is said what happened, in messages. */
const SAY_EACH = 20_000;

interface State {
  readonly codes: Record<string, number>;
  readonly findings: Map<string, string>;
  sent: number;
  agentSent: number;
}

export async function fuzzCalls(options: CallsOptions): Promise<CallsReport> {
  const { target, messages, seed, say } = options;
  const random = createRandom(seed);
  const contracts = readContracts();
  const methods = contracts.methods.filter(({ path }) => PERMISSIONS.has(path));
  const generator = createMessageGenerator(contracts, random);
  const state: State = { codes: {}, findings: new Map(), sent: 0, agentSent: 0 };
  const startedAt = performance.now();
  await target.measure();
  const next = nextCall(options, methods, generator, random, state);
  const first = await runUntil(messages * WARM_UP, options, next, state);
  let stalls: Measured[] = [first];
  while (state.sent < messages && target.crash() === undefined) {
    stalls = [...stalls, await runUntil(Math.min(messages, state.sent + SAY_EACH), options, next, state)];
    say(`${state.sent} of ${messages} messages, ${state.findings.size} findings`);
  }
  const crash = target.crash();
  const findings = [...state.findings].map(([what, where]) => `${where}: ${what}`);
  return {
    messages: state.sent,
    agentMessages: state.agentSent,
    methods: methods.length,
    codes: state.codes,
    findings: [
      ...(crash === undefined ? [] : [`the process ${crash}`]),
      ...findings,
      ...target.mistakes().slice(0, 20),
    ],
    memoryGrowthBytes: (stalls.at(-1)?.memoryBytes ?? 0) - first.memoryBytes,
    stallMs: Math.max(...stalls.map((one) => one.stallMs)),
    ownStallMs: Math.max(...stalls.map((one) => one.ownStallMs)),
    perSecond: Math.round((state.sent / (performance.now() - startedAt)) * 1_000),
  };
}

type NextCall = () => Promise<void>;

async function runUntil(goal: number, { target }: CallsOptions, next: NextCall, state: State): Promise<Measured> {
  const worker = async (): Promise<void> => {
    while (state.sent < goal && target.crash() === undefined) await next();
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  const nothing = { memoryBytes: 0, rssBytes: 0, stallMs: 0, ownStallMs: 0 };
  return target.crash() === undefined ? target.measure() : nothing;
}

function nextCall(
  { target: { channels }, agentShare }: CallsOptions,
  methods: readonly MethodType[],
  generator: MessageGenerator,
  random: Random,
  state: State,
): NextCall {
  const connect = methods.filter(({ path }) => path.endsWith('/Connect'));
  const others = methods.filter(({ path }) => !path.endsWith('/Connect'));
  return async () => {
    const method = random.pick(random.chance(agentShare / PER_STREAM) ? connect : others);
    const messages = method.requestStream
      ? streamOf(method, generator, random)
      : [generator.make(method.input, method.path)];
    state.sent += messages.length;
    if (method.path.endsWith('/Connect')) state.agentSent += messages.length;
    note(state, method, messages, await send(channelOf(method, channels), method, messages));
  };
}

/** Mostly behind a good first message, or nothing that follows is looked at. */
function streamOf(method: MethodType, generator: MessageGenerator, random: Random): Buffer[] {
  const messages = Array.from({ length: PER_STREAM }, () => generator.make(method.input, method.path));
  if (random.chance(0.7)) messages[0] = method.path.endsWith('/Connect') ? agentHello() : sessionHello(random);
  return messages;
}

function agentHello(): Buffer {
  const value = hostEdgeV1.AgentHello.fromPartial({ agentVersion: '9.0.0', platform: 'linux-x64' });
  const message = hostEdgeV1.ConnectRequest.fromPartial({ message: { $case: 'hello', value } });
  return Buffer.from(hostEdgeV1.ConnectRequest.encode(message).finish());
}

function sessionHello(random: Random): Buffer {
  const user = `user-${random.below(1_000)}`;
  const value = sessionV1.Hello.fromPartial({ installation: 'one', user, version: '1.0.0' });
  const message = sessionV1.AttachRequest.fromPartial({ message: { $case: 'hello', value } });
  return Buffer.from(sessionV1.AttachRequest.encode(message).finish());
}

function channelOf({ path }: MethodType, channels: Target['channels']): Channel {
  const [role] = PERMISSIONS.get(path)?.roles ?? [];
  return role === 'agent' || role === 'client' ? channels[role] : channels.admin;
}

function note(state: State, { path }: MethodType, messages: readonly Buffer[], { code, finding }: Answer): void {
  state.codes[code] = (state.codes[code] ?? 0) + 1;
  if (finding === undefined || state.findings.size >= MAX_FINDINGS) return;
  // Once for each method and kind of finding; the bytes are enough to do it again.
  const what = `${path} ${finding.replace(/\d{3,}/g, 'N')}`;
  if (!state.findings.has(what))
    state.findings.set(what, messages.map((m) => m.subarray(0, 300).toString('base64')).join(' '));
}
