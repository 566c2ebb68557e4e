import { describeCheck } from '../../testing/describe-check.js';
import { installedVersion } from './installed-version.js';

describeCheck(installedVersion, {
  passes: { 'the version of the others': {} },
  fails: { 'another version': { facts: { installedVersion: '10.9.0' } }, none: { facts: { installedVersion: '' } } },
  unknown: { 'not found out': { facts: { installedVersion: undefined } } },
  notAsked: { 'nothing is installed yet': { occasion: { fromVersion: '' } }, 'a backup only': { demands: 'none' } },
});
