export { CallError, CODE, toCallError, type CallErrorDetails } from './call-error.js';
export { MAX_MESSAGE_BYTES, openChannel, type Channel, type OpenChannelOptions } from './channel.js';
export { createClient, DEFAULT_TIMEOUT_MS, type CallOptions, type UnaryClient } from './client.js';
export { findConnection, openDefaultChannel, readConnection, type Connection, type Environment } from './connection.js';
export { attachSession } from './session/attach-session.js';
export type { AttachedSession, AttachOptions, SessionCallbacks, ShownNotice } from './session/session-api.js';
export { SessionProblem, type ProblemCode } from './session/session-problem.js';
export type { EndReason, HoldAnswer, NoticeKind, NoticeView, Refusal, RefusalReason } from './session/session-words.js';
export { openStream, type ClientStream, type StreamOptions } from './stream.js';
export { followTlsFiles, readTlsFiles, TlsFileError, type ChannelTls, type TlsFiles } from './tls-files.js';
export { checkUpdate, updateNow, type UpdateBegun, type UpdateCheck, type UpdateOptions } from './update.js';
export { agentSocket } from './updates/agent-socket.js';
export { openUpdates } from './updates/open-updates.js';
export type {
  BeginUpdate,
  SeatUpdateCheck,
  UpdatePhase,
  UpdateProblem,
  UpdateProgress,
  Updates,
  UpdatesOptions,
  UpdateState,
} from './updates/updates-api.js';
