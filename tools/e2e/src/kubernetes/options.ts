import { parseArgs } from 'node:util';

/* What the operator says on the command line, and what is wrong with it. */

export const USAGE = `npm run e2e:kubernetes -- [options]      on the cluster that KUBECONFIG names

  --load COMMAND         builds the images of this folder (npm run images) and brings each onto the nodes: COMMAND ARCHIVE, such as
                         "kind load image-archive"
  --previous REV         the same with that revision, the release before: installed first, then mixed with the current ones
  --tag TAG              instead of building: images lastcall/{catalog,scheduler,preflight,session,installer,cli} that are there
  --previous-tag TAG     the same of the release before
  --registry HOST/PATH   where the cluster finds them; default: they are on its nodes already
  --edge-image IMAGE     Caddy, which stands where your cluster has its ingress                        default: caddy:2
  --values FILE          more values of the chart, such as public.kind with your gateway
  --address HOST:PORT    where that gateway or ingress is reached; Caddy is not started then
  --nats-image IMAGE     of the evaluation NATS                                                        default: the chart's
  --nats-replicas N      1 or 3                                                                        default: 1
  --mongodb URL          an existing MongoDB instead of the chart's evaluation one. One on this machine's loopback is
                         forwarded to the pods, and its line is cut in the disturbances
  --tls                  the services speak TLS with each other and with the edge, with certificates of the test's own
  --cluster-issuer NAME  the same with certificates of this ClusterIssuer of cert-manager
  --sessions N           users attached while everything is disturbed, 10 to 20,000                    default: 1000
  --mixed-minutes N      how long the two releases work together                                       default: 10
  --only PART,...        of: story, policies, disturbances, mixed, chart-test                          default: all
  --keep                 leave the namespace as it is

What it needs: kubectl and helm on the PATH, rights to make a namespace, and a way from here to the nodes' addresses. It makes one
namespace, and takes it away. The last line is one line of JSON; exit code 1: something that must hold does not.`;

export const PARTS = ['story', 'policies', 'disturbances', 'mixed', 'chart-test'] as const;
export type Part = (typeof PARTS)[number];

export interface Options {
  readonly tag: string;
  readonly registry: string;
  readonly previousTag: string;
  readonly previous: string;
  readonly load: string;
  readonly edgeImage: string;
  readonly valuesFile: string;
  readonly address: string;
  readonly natsImage: string;
  readonly natsReplicas: number;
  readonly mongodb: string;
  readonly tls: boolean;
  readonly clusterIssuer: string;
  readonly sessions: number;
  readonly mixedMinutes: number;
  readonly parts: readonly Part[];
  readonly keep: boolean;
}

/** Throws an Error that says what is allowed. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      load: { type: 'string', default: '' },
      previous: { type: 'string', default: '' },
      tag: { type: 'string', default: '' },
      registry: { type: 'string', default: '' },
      'previous-tag': { type: 'string', default: '' },
      'edge-image': { type: 'string', default: 'caddy:2' },
      values: { type: 'string', default: '' },
      address: { type: 'string', default: '' },
      'nats-image': { type: 'string', default: '' },
      'nats-replicas': { type: 'string', default: '1' },
      mongodb: { type: 'string', default: '' },
      tls: { type: 'boolean', default: false },
      'cluster-issuer': { type: 'string', default: '' },
      sessions: { type: 'string', default: '1000' },
      'mixed-minutes': { type: 'string', default: '10' },
      only: { type: 'string', default: PARTS.join(',') },
      keep: { type: 'boolean', default: false },
    },
  });
  if (values.mongodb !== '' && !/^mongodb(\+srv)?:\/\//.test(values.mongodb)) {
    throw new Error(`--mongodb is ${values.mongodb}; it must be mongodb://host:port`);
  }
  if (values.address !== '' && !/^[^/:]+:\d{1,5}$/.test(values.address)) {
    throw new Error(`--address is ${values.address}; it must be host:port`);
  }
  if (values.load === '' && values.tag === '') throw new Error('say where images come from: --load or --tag');
  if (values.previous !== '' && values.load === '') throw new Error('--previous builds images, so it needs --load');
  return {
    load: values.load,
    previous: values.previous,
    tag: values.tag,
    registry: values.registry,
    previousTag: values['previous-tag'],
    edgeImage: values['edge-image'],
    valuesFile: values.values,
    address: values.address,
    natsImage: values['nats-image'],
    natsReplicas: oneOrThree(values['nats-replicas']),
    mongodb: values.mongodb,
    tls: values.tls || values['cluster-issuer'] !== '',
    clusterIssuer: values['cluster-issuer'],
    sessions: wholeNumber('--sessions', values.sessions, 10, 20_000),
    mixedMinutes: wholeNumber('--mixed-minutes', values['mixed-minutes'], 1, 60),
    parts: values.only.split(',').map(partOf),
    keep: values.keep,
  };
}

function oneOrThree(text: string): number {
  if (text === '1' || text === '3') return Number(text);
  throw new Error(`--nats-replicas is ${text}; allowed are 1 and 3`);
}

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new Error(`${option} is ${text}; allowed are whole numbers from ${min} to ${max}`);
}

function partOf(text: string): Part {
  const part = PARTS.find((known) => known === text);
  if (part) return part;
  throw new Error(`--only names ${text}; there are ${PARTS.join(', ')}`);
}
