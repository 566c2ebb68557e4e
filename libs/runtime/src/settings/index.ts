export { address, commonSettings, flag, whole, type CommonSettings } from './common-settings.js';
export { variableOf, type Environment } from './fragments.js';
export { readSettings, type ProcessSettings, type ProgramSettings, type SettingsInput } from './read-settings.js';
