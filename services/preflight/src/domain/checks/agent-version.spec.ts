import { describeCheck } from '../../testing/describe-check.js';
import { agentVersion } from './agent-version.js';

describeCheck(agentVersion, {
  passes: { 'the oldest that is allowed': {}, 'a newer one': { facts: { agentVersion: '0.10.0' } } },
  fails: { 'an older one': { demands: { agentVersion: '0.2.0' } } },
  unknown: { 'not said': { facts: { agentVersion: undefined } } },
  notAsked: { 'no demand': { demands: { agentVersion: '' } }, 'a backup only': { demands: 'none' } },
});
