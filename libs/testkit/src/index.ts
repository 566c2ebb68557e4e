export { describeWith, dropNatsStream, mongodbUrl, natsUrl } from './backends.js';
export { startChild, type Child, type ChildExit } from './child.js';
export { startEdge, type Edge, type EdgeOptions } from './edge.js';
export { tapEvents, type EventTap, type SeenEvent } from './event-tap.js';
export { findFreePorts } from './free-ports.js';
export { createRecorder, type Recorder } from './recorder.js';
export { signAgentToken, signerOf, signToken, type TokenClaims } from './sign-token.js';
export { startStack, type Stack, type StackOptions } from './stack.js';
export { createTempFolder, type TempFolder } from './temp-folder.js';
