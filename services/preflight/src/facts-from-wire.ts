import { dateToAt, type hostOrderV1 } from '@lastcall/contracts';
import { cleanText } from '@lastcall/kernel';
import { isIP } from 'node:net';
import type { AntivirusFacts, BackupFacts, HostFacts, VendorAnswer, Volumes } from './domain/facts.js';

/*
 * Where facts come in. "Absent", "0", "named in unknown" and "no host can have this" all become undefined here: whoever
 * lies, or counts wrong, is not believed the one thing that would let an update through.
 */

/** Nothing that a host has is larger: 1 EiB. Numbers of JavaScript are exact up to 8 PiB, and these only compare. */
const MOST_BYTES = 2n ** 60n;
const MOST_PROCESSORS = 65_536;
const MOST_CHARS = 1_000;
const MOST_ENTRIES = 1_000;
const MOST_ADDRESSES = 16;
/** A clock outside of these years says nothing. */
const EARLIEST_AT = Date.UTC(2000, 0, 1);
const LATEST_AT = Date.UTC(2200, 0, 1);

/** Facts as they were said, and why some are not believed. */
class Reading {
  readonly unknown: Record<string, string>;
  constructor(unknown: Readonly<Record<string, string>>) {
    const named = Object.entries(unknown).slice(0, MOST_ENTRIES);
    this.unknown = Object.fromEntries(named.map(([name, why]) => [cleanText(name, 100), shown(why)]));
  }

  /** Undefined when the host could not find out, or said what cannot be. */
  take<V>(name: string, value: V | undefined, wrong?: string | false): V | undefined {
    if (Object.hasOwn(this.unknown, name) || value === undefined) return undefined;
    if (!wrong) return value;
    this.unknown[name] = `the host says ${wrong}, which cannot be`;
    return undefined;
  }

  bytes(name: string, value: bigint): number | undefined {
    return this.take(name, Number(value), (value < 0n || value > MOST_BYTES) && `${value} bytes`);
  }

  text(name: string, value: string): string | undefined {
    return this.take(name, shown(value), value.length > MOST_CHARS && `${value.length} characters`);
  }

  time(name: string, date: Date | undefined): number | undefined {
    const at = dateToAt(date);
    return this.take(name, at, at !== undefined && !isPlausible(at) && 'a time of another age');
  }
}

function shown(text: string): string {
  return cleanText(text, MOST_CHARS);
}

function isPlausible(at: number): boolean {
  return at >= EARLIEST_AT && at < LATEST_AT;
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);
const nonZero = (count: number | undefined): number | undefined => (count === 0 ? undefined : count);

export function factsFromWire(wire: hostOrderV1.HostFacts): HostFacts {
  const reading = new Reading(wire.unknown);
  const cpus = wire.cpuCount;
  const facts = {
    os: nonEmpty(reading.text('os', wire.os)),
    osVersion: nonEmpty(reading.text('os_version', wire.osVersion)),
    cpuCount: nonZero(reading.take('cpu_count', cpus, !isCount(cpus, MOST_PROCESSORS) && `${cpus} processors`)),
    memoryBytes: nonZero(reading.bytes('memory_bytes', wire.memoryBytes)),
    stageFreeBytes: reading.bytes('stage_free_bytes', wire.stageFreeBytes),
    backupFreeBytes: reading.bytes('backup_free_bytes', wire.backupFreeBytes),
    backupNeededBytes: nonZero(reading.bytes('backup_needed_bytes', wire.backupNeededBytes)),
    dataBytes: reading.bytes('data_bytes', wire.dataBytes),
    agentVersion: nonEmpty(reading.text('agent_version', wire.agentVersion)),
    installedVersion: reading.text('installed_version', wire.installedVersion),
    clockAt: reading.time('clock', wire.clock),
    antivirus: reading.take('antivirus', wire.antivirus && antivirusFrom(wire.antivirus)),
    lastBackup: reading.take('last_backup', wire.lastBackup && plausibleBackup(wire.lastBackup)),
    ports: reading.take('ports', portsFrom(wire.ports)),
    staged: wire.staged,
    canBackUp: reading.take('can_back_up', wire.canBackUp),
    dataFreeBytes: reading.bytes('data_free_bytes', wire.dataFreeBytes),
    volumes: reading.take('volumes', volumesFrom(wire.volumes)),
    vendorChecks: reading.take('vendor_checks', vendorChecksFrom(wire.vendorChecks)),
    addresses: wire.addresses.length === 0 ? undefined : wire.addresses.slice(0, MOST_ADDRESSES).filter(isAddress),
    reached: wire.reached.slice(0, MOST_ENTRIES).map((r) => ({ ...r, host: shown(r.host), found: shown(r.found) })),
    certificates: wire.certificates.slice(0, MOST_ENTRIES).map(certificateFrom),
  };
  return { ...facts, unknown: reading.unknown };
}

function isAddress(text: string): boolean {
  return isIP(text) !== 0;
}

function isCount(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}

/** A port that does not exist is no answer about one that does; said twice, it has to be usable both times. */
function portsFrom(ports: readonly hostOrderV1.PortFact[]): NonNullable<HostFacts['ports']> {
  const usable = new Map<number, boolean>();
  for (const { port, usable: is } of ports.slice(0, MOST_ENTRIES)) {
    if (isCount(port, 65_535) && port > 0) usable.set(port, is && (usable.get(port) ?? true));
  }
  return [...usable].map(([port, is]) => ({ port, usable: is }));
}

function antivirusFrom({ product, source, exceptions }: hostOrderV1.AntivirusFacts): AntivirusFacts | undefined {
  if (product === '') return undefined;
  const said = exceptions.slice(0, MOST_ENTRIES);
  return {
    product: shown(product),
    source: shown(source),
    exceptions: said.map(({ kind, value, present }) => ({ kind: shown(kind), value: shown(value), present })),
  };
}

function volumesFrom({ stage = '', backup = '', data = '' }: Readonly<Record<string, string>>): Volumes | undefined {
  const ids = [stage, backup, data];
  return ids.some((id) => id === '' || id.length > 100) ? undefined : { stage, backup, data };
}

/** One that is answered twice is not answered. */
function vendorChecksFrom(checks: readonly hostOrderV1.VendorCheckFact[]): readonly VendorAnswer[] {
  const said = checks.slice(0, MOST_ENTRIES);
  return said.map(({ id, passed, unanswered, found }) => {
    const isTwice = said.filter((other) => other.id === id).length > 1;
    return {
      id: shown(id),
      passed,
      unanswered: unanswered || isTwice,
      found: isTwice ? 'answered twice' : shown(found),
    };
  });
}

function certificateFrom({
  whose,
  expiresAt,
  why,
}: hostOrderV1.CertificateFact): NonNullable<HostFacts['certificates']>[number] {
  const at = dateToAt(expiresAt);
  const isKnown = at !== undefined && isPlausible(at);
  return {
    whose: shown(whose),
    expiresAt: isKnown ? at : undefined,
    why: shown(why) || (isKnown ? '' : 'no time was said'),
  };
}

/** One that was taken at no time, or in another age, does not count. */
function plausibleBackup(wire: hostOrderV1.BackupEvidence): BackupFacts | undefined {
  const isSized = wire.sizeBytes >= 0n && wire.sizeBytes <= MOST_BYTES;
  return isSized && isPlausible(dateToAt(wire.takenAt) ?? NaN) ? backupFromWire(wire) : undefined;
}

export function backupFromWire(wire: hostOrderV1.BackupEvidence): BackupFacts {
  const verifiedAt = dateToAt(wire.verifiedAt);
  return {
    restorePoint: wire.restorePoint,
    takenAt: dateToAt(wire.takenAt) ?? 0,
    sizeBytes: Number(wire.sizeBytes),
    sha256: wire.sha256,
    verified: wire.verified,
    version: wire.version,
    ...(wire.storedBytes > 0n && { storedBytes: Number(wire.storedBytes) }),
    ...(wire.keyId !== '' && { keyId: shown(wire.keyId) }),
    ...(verifiedAt !== undefined && { verifiedAt }),
    ...(wire.folder !== '' && { folder: shown(wire.folder) }),
  };
}
