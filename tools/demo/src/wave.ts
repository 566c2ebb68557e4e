import { until } from '@lastcall/testkit';
import type { Play } from './play.js';
import { check, currentVersion, type Check } from './evidence.js';
import { addHost, INSTALLATION, stopEncore } from './site.js';
import type { Stage } from './stage.js';

/*
 * A release on its way through three installations: the canary first. What goes wrong there reaches nobody else.
 */

const WAVE = 'autumn';
const OTHERS = [
  { installation: 'hamburg', host: 'ham1' },
  { installation: 'vienna', host: 'vie1' },
] as const;

/** Two more sites, a server each, that wait for their stage. */
export async function openOthers({ stage, site }: Play, ports: readonly number[]): Promise<void> {
  stage.act('Two more installations');
  await stage.type('lastcall', ['installation', 'set', INSTALLATION, '--group', 'canary'], { quiet: true });
  const settings = ['--product', 'encore', '--kind', 'single-user', '--zone', 'Europe/Berlin'];
  await Promise.all(
    OTHERS.map(async ({ installation, host }, i) => {
      await stage.run('lastcall', ['installation', 'add', installation, ...settings]);
      stage.onClear(() => stopEncore(stage, host));
      const ownSite = { ...site, encorePort: ports[i] ?? 0 };
      await addHost(stage, ownSite, { id: host, role: 'server', users: 0 }, installation, false);
    }),
  );
  await stage.type('lastcall', ['installation', 'list']);
}

/** The release is published beside the channel and goes into it stage by stage. */
export async function sendWave({ stage }: Play, release: string): Promise<void> {
  await stage.type('lastcall', ['release', 'publish', release, '--channel', 'preview']);
  const stages = ['--stage', 'canary', '--stage', '100%', '--stop-at', '1', '--soak', '1h'];
  await stage.type('lastcall', ['wave', 'create', WAVE, 'encore', '11.2.0', '--channel', 'stable', ...stages]);
}

interface Offer {
  readonly release?: { readonly version: string };
  readonly reason: string;
}

async function readJson<T>(stage: Stage, args: readonly string[]): Promise<T> {
  const { lines } = await stage.run('lastcall', [...args, '-o', 'json']);
  return JSON.parse(lines.join('\n')) as T;
}

const offersOf = (stage: Stage): Promise<readonly Offer[]> =>
  Promise.all(OTHERS.map(({ installation }) => readJson<Offer>(stage, ['update', 'check', '-i', installation])));

/** The canary was rolled back: the wave has stopped by itself, and a person takes the release back for good. */
export async function waveStopped({ stage }: Play): Promise<Check[]> {
  stage.act('The wave has stopped; the release is withdrawn');
  let state = '';
  await until(async () => {
    ({ state } = await readJson<{ state: string }>(stage, ['wave', 'show', WAVE]));
    return state === 'WAVE_STATE_STOPPED';
  }, 'the wave to hear of the rollback');
  await stage.type('lastcall', ['wave', 'show', WAVE]);
  await stage.type('lastcall', ['update', 'check', '-i', OTHERS[0].installation]);
  const held = await offersOf(stage);
  const why = 'fails its health check after it has migrated the data';
  await stage.type('lastcall', ['release', 'withdraw', 'encore', '11.2.0', '--reason', why]);
  await stage.type('lastcall', ['update', 'check', '-i', OTHERS[0].installation]);
  const after = await offersOf(stage);
  const versions = OTHERS.map(({ host }) => currentVersion(stage, host).version);
  return [
    check('the wave stopped after one failure', state === 'WAVE_STATE_STOPPED', state),
    check(
      'the others were held back',
      held.every(({ release, reason }) => release?.version === '11.1.0' && reason.includes(WAVE)),
      held[0]?.reason ?? '',
    ),
    check(
      'nobody is offered the withdrawn release',
      after.every(({ release }) => release?.version === '11.1.0'),
      after.map(({ release }) => release?.version ?? 'nothing').join(', '),
    ),
    check(
      'the others were left alone',
      versions.every((version) => version === '11.0.0'),
      versions.join(', '),
    ),
  ];
}
