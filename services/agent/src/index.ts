export { openAgent, type Agent, type AgentOptions } from './agent.js';
export { installHere, type Installed } from './install.js';
export { joinInstallation, type JoinOptions } from './join.js';
export { createLog, type Log } from './log.js';
export { main } from './main.js';
export { readStatus, type OrderStatus, type Status } from './status.js';
export { AGENT_VERSION } from './version.js';
