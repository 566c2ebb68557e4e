import { describeCheck } from '../../testing/describe-check.js';
import { dataVersion } from './data-version.js';

describeCheck(dataVersion, {
  passes: { 'the oldest that is allowed': {} },
  fails: { 'data that are too old': { demands: { dataVersion: '11.0.1' } } },
  unknown: { 'no version is known': { occasion: { fromVersion: '' } } },
  notAsked: { 'no demand': { demands: { dataVersion: '' } }, 'a backup only': { demands: 'none' } },
});
