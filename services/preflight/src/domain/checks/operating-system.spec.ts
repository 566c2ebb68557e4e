import { describeCheck } from '../../testing/describe-check.js';
import { operatingSystem } from './operating-system.js';

const os = (name: string, version = '') => ({ os: [{ os: name, version }] });

describeCheck(operatingSystem, {
  passes: {
    'new enough': {},
    'any version of it': { demands: os('linux'), facts: { osVersion: undefined } },
    'one of several': { demands: { os: [...os('win32').os, ...os('linux', '5').os] } },
  },
  fails: { 'too old': { demands: os('linux', '6.2') }, 'another system': { demands: os('win32') } },
  unknown: { 'no name': { facts: { os: undefined } }, 'no version': { facts: { osVersion: undefined } } },
  notAsked: { 'no demand': { demands: { os: [] } }, 'a backup only': { demands: 'none' } },
});
