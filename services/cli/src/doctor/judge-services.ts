import type { operationsV1 } from '@lastcall/contracts';
import { count } from '../render/text.js';
import { span } from '../render/time.js';
import { apart, good, MAX_CLOCK_DIFFERENCE_MS, wrong, type Finding } from './finding.js';

/* The services as they describe themselves. */

export interface Heard {
  readonly states: readonly operationsV1.ServiceState[];
  /** This machine's clock, milliseconds since the epoch, half way between question and answer. */
  readonly at: number;
  /** From the question to the answer. */
  readonly tookMs: number;
}

/** The relay looks each second; what waits for a minute does not get out. */
const MAX_OUTBOX_AGE_MS = 60_000;
/** A certificate of 90 days is renewed with 30 of them left. */
const MIN_CERTIFICATE_LEFT_MS = 14 * 86_400_000;

export function judgeServices(heard: Heard): Finding[] {
  return [
    ...heard.states.flatMap((state) => judgeService(state, heard.at)),
    ...judgeVersions(heard),
    ...judgeOwnClock(heard),
  ];
}

function judgeService(state: operationsV1.ServiceState, at: number): Finding[] {
  const { service, address, problem } = state;
  if (problem !== '') {
    const where = address === '' ? '' : ` at ${address}`;
    const remedy = `Look whether ${service} runs${where} and is let through; its log says why it does not. "lastcall up" runs all five.`;
    return [wrong(service, `cannot be asked${where}: ${problem}`, remedy)];
  }
  const found = [
    ...judgeClocks(state),
    ...judgeStore(state),
    ...judgeEvents(state, at),
    ...judgeCertificate(state, at),
    ...judgeStateBackup(state, at),
  ];
  const up = state.startTime ? `, up ${span(Math.max(0, at - state.startTime.getTime()))}` : '';
  return found.length > 0 ? found : [good(service, `version ${state.version}${up}; store and bus answer`)];
}

function judgeStore({ service, storeProblem }: operationsV1.ServiceState): Finding[] {
  if (storeProblem === '') return [];
  const remedy = `Look whether the store of ${service} runs and has room: MongoDB of LASTCALL_STORE, or the disk with ${service}.db.`;
  return [wrong(service, `its store does not answer: ${storeProblem}`, remedy)];
}

function judgeEvents(state: operationsV1.ServiceState, at: number): Finding[] {
  const { service, busConnected, outboxEvents, outboxTime, deadLetters } = state;
  const findings: Finding[] = [];
  if (!busConnected) {
    const remedy =
      'Look whether NATS of LASTCALL_BUS runs and has a leader; what is said meanwhile waits in the outbox.';
    findings.push(wrong(service, 'the bus cannot be published to', remedy));
  }
  const age = outboxTime ? (state.clockTime?.getTime() ?? at) - outboxTime.getTime() : 0;
  if (age > MAX_OUTBOX_AGE_MS) {
    const many = count(outboxEvents, 'event', 'events');
    const remedy = `The log of ${service} says why publishing fails ("outbox relay of ${service}"); they go out when it succeeds.`;
    findings.push(wrong(service, `${many} wait in the outbox, the oldest for ${span(age)}`, remedy));
  }
  if (deadLetters > 0n) {
    const remedy =
      'See them with "lastcall deadletter list"; when the reason is gone, "lastcall deadletter redrive <id>".';
    findings.push(wrong(service, count(Number(deadLetters), 'dead letter'), remedy));
  }
  return findings;
}

function judgeClocks({ service, clockTime, askedTime, storeTime }: operationsV1.ServiceState): Finding[] {
  const remedy = 'Set the clocks by NTP on both machines; leases and due times go by that of the store.';
  const own = clockTime?.getTime() ?? 0;
  const toAsker = own - (askedTime?.getTime() ?? own);
  const toStore = own - (storeTime?.getTime() ?? own);
  const findings: Finding[] = [];
  if (Math.abs(toAsker) > MAX_CLOCK_DIFFERENCE_MS) {
    findings.push(wrong(service, `its clock is ${apart(toAsker)} the service that asked it`, remedy));
  }
  if (Math.abs(toStore) > MAX_CLOCK_DIFFERENCE_MS) {
    findings.push(wrong(service, `its clock is ${apart(toStore)} its store`, remedy));
  }
  return findings;
}

function judgeCertificate(state: operationsV1.ServiceState, at: number): Finding[] {
  const { service, certificateExpireTime: end, certificateProblem: problem } = state;
  const findings: Finding[] = [];
  if (problem !== '') {
    const remedy = 'Put files there that belong together and have not ended; they are read again every two seconds.';
    findings.push(wrong(service, `its changed certificates are not used: ${problem}`, remedy));
  }
  const left = end ? end.getTime() - at : Infinity;
  if (left > MIN_CERTIFICATE_LEFT_MS) return findings;
  const found = left <= 0 ? `its certificate ended ${span(-left)} ago` : `its certificate ends in ${span(left)}`;
  const remedy = `Renew the files of LASTCALL_TLS_CERT_FILE and _KEY_FILE of ${service}; they are read again without a restart.`;
  return [...findings, wrong(service, found, remedy)];
}

function judgeStateBackup(
  { stateBackupTime: last, stateBackupProblem: problem }: operationsV1.ServiceState,
  at: number,
) {
  if (problem === '') return [];
  const newest = last ? `the newest is of ${span(Math.max(0, at - last.getTime()))} ago` : 'there is none';
  const remedy =
    'Mend that; it is tried again every ten minutes. Until then take one elsewhere with "lastcall state backup --to FOLDER".';
  return [wrong('own state', `no backup can be taken of it: ${problem}; ${newest}`, remedy)];
}

function judgeVersions({ states }: Heard): Finding[] {
  const versions = [...new Set(states.map(({ version }) => version).filter(Boolean))].toSorted();
  if (versions.length < 2) return [];
  const remedy =
    'Finish the upgrade of the services: neighbouring versions work together, but only for the time of an upgrade.';
  return [wrong('versions', `the services have several: ${versions.join(', ')}`, remedy)];
}

/** What the way there and back took cannot be told from a difference. */
function judgeOwnClock({ states, at, tookMs }: Heard): Finding[] {
  const theirs = states.find(({ problem }) => problem === '')?.askedTime?.getTime();
  if (theirs === undefined || Math.abs(at - theirs) <= MAX_CLOCK_DIFFERENCE_MS + tookMs / 2) return [];
  const remedy = 'Set the clock of this machine by NTP, or that of the services when this one is right.';
  return [wrong('this machine', `its clock is ${apart(at - theirs)} the services`, remedy)];
}
