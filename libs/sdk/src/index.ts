export { CallError, CODE, toCallError, type CallErrorDetails } from './call-error.js';
export { MAX_MESSAGE_BYTES, openChannel, type Channel, type ChannelTls, type OpenChannelOptions } from './channel.js';
export { createClient, DEFAULT_TIMEOUT_MS, type CallOptions, type UnaryClient } from './client.js';
export { openDefaultChannel, readConnection, type Connection, type Environment } from './connection.js';
export { attachSession } from './session/attach-session.js';
export type { AttachedSession, AttachOptions, SessionCallbacks, ShownNotice } from './session/session-api.js';
export type { EndReason, HoldAnswer, NoticeView, Refusal, RefusalReason } from './session/session-words.js';
export { openStream, type ClientStream, type StreamOptions } from './stream.js';
export { checkUpdate, updateJob, updateNow, type UpdateBegun, type UpdateCheck, type UpdateOptions } from './update.js';
