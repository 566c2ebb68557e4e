import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CHART, deploy, kubectl, lint, NAMESPACE, render, ROOT, run, wouldApply } from './programs.mjs';
import { REFUSALS } from './refusals.mjs';
import { podsOf, RULES } from './rules.mjs';
import { combinations, EVALUATION, PRODUCTION, valuesOf } from './values.mjs';

/*
 * The chart against a real API server: lint, what has to be refused, every two switches together by a server-side dry run with Pod Security
 * "restricted" enforced, golden files, copies that have to be equal, install, upgrade, rollback, uninstall. Nothing of it needs a node.
 *
 *   ../shared/backends/cluster api -- npm run chart:check              or any KUBECONFIG of a cluster to be thrown away
 *   … npm run chart:check -- --update                                   writes the golden files anew
 */

const GOLDEN = join(import.meta.dirname, 'golden');
const update = process.argv.includes('--update');
const counts = { passed: 0, failed: 0 };

/** `problems`: empty, it passed. */
function tell(name, problems) {
  counts[problems.length === 0 ? 'passed' : 'failed']++;
  if (problems.length === 0) return;
  console.log(`failed: ${name}`);
  for (const problem of problems.slice(0, 20)) console.log(`  ${problem}`);
}

async function needPrograms() {
  for (const [program, ...args] of [
    ['helm', 'version'],
    ['kubectl', 'get', 'namespaces'],
  ]) {
    const { ok, err } = await run(program, args);
    if (ok) continue;
    console.error(
      `chart:check needs helm and kubectl on the PATH and a cluster in KUBECONFIG; ${program} says: ${err.trim()}`,
    );
    console.error('Run it as: ../shared/backends/cluster api -- npm run chart:check');
    process.exit(2);
  }
}

async function prepareCluster() {
  const crds = await run('kubectl', ['apply', '--server-side', '-f', join(import.meta.dirname, 'crds')]);
  if (!crds.ok) throw new Error(crds.err);
  await run('kubectl', ['wait', '--for=condition=Established', '--all', 'crd', '--timeout=60s']);
  await run('kubectl', ['create', 'namespace', NAMESPACE]);
  const restricted = ['enforce', 'warn'].map((mode) => `pod-security.kubernetes.io/${mode}=restricted`);
  await run('kubectl', ['label', '--overwrite', 'namespace', NAMESPACE, ...restricted]);
  // Where no controller makes it, no pod is admitted without it.
  await kubectl(['create', 'serviceaccount', 'default']);
  for (let i = 0; i < 50 && !(await kubectl(['get', 'serviceaccount', 'default'])).ok; i++) await delay(100);
}

/** Every object has a description, and refuses what it does not know. */
function undescribed(schema, at = '') {
  if (schema.$ref) return schema.description ? [] : [`${at} is not described`];
  const missing = at !== '' && !schema.description && !schema.const ? [`${at} is not described`] : [];
  const open = schema.properties && schema.additionalProperties !== false ? [`${at} lets everything pass`] : [];
  const below = Object.entries(schema.properties ?? {}).flatMap(([key, value]) => undescribed(value, `${at}/${key}`));
  return [...missing, ...open, ...below];
}

function checkSchema() {
  const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8'));
  tell('the schema describes and bounds every value', undescribed(schema));
  const defs = Object.entries(schema.$defs).flatMap(([name, def]) => undescribed(def, `$defs/${name}`));
  tell('so do its definitions', defs);
}

/** Files outside of the chart that helm cannot read there. */
function checkCopies() {
  const copies = [
    ['files/alerts.yaml', 'deploy/alerts/lastcall.yaml'],
    ['files/nats-jetstream.conf', 'deploy/nats/jetstream.conf'],
    ['files/nats-users.conf', 'deploy/nats/users.conf'],
    ...readdirSync(join(ROOT, 'deploy/dashboards')).map((file) => [
      `files/dashboards/${file}`,
      `deploy/dashboards/${file}`,
    ]),
  ];
  for (const [copy, original] of copies) {
    const [ours, theirs] = [join(CHART, copy), join(ROOT, original)].map((file) =>
      existsSync(file) ? readFileSync(file, 'utf8') : undefined,
    );
    const equal = ours !== undefined && ours === theirs;
    tell(`${copy} is ${original}`, equal ? [] : [`cp ${original} deploy/helm/lastcall/${copy}`]);
  }
  const dashboards = readdirSync(join(CHART, 'files/dashboards')).filter(
    (file) => !existsSync(join(ROOT, 'deploy/dashboards', basename(file))),
  );
  tell('no dashboard is there without its original', dashboards);
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const chart = readFileSync(join(CHART, 'Chart.yaml'), 'utf8');
  const same = ['version', 'appVersion'].filter((key) => !chart.includes(`\n${key}: ${version}\n`));
  tell(
    'the chart has the version of the application',
    same.map((key) => `${key} is not ${version}`),
  );
}

async function checkRefusals() {
  for (const [name, values, words] of REFUSALS) {
    const { ok, err } = await render(values);
    const lacking = words.filter((word) => !err.includes(word)).map((word) => `does not say "${word}": ${err.trim()}`);
    tell(`refused: ${name}`, ok ? ['was rendered'] : lacking);
  }
}

async function checkValues(name, values) {
  const linted = await lint(values);
  tell(`lint: ${name}`, linted.ok ? [] : linted.out.trim().split('\n'));
  const rendered = await render(values);
  if (!rendered.ok) return tell(`rendered: ${name}`, rendered.err.trim().split('\n'));
  const { problems, items } = await wouldApply(rendered.out);
  tell(`admitted: ${name}`, problems);
  const refused = await wouldApply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: podsOf(items).map(asPod) }));
  tell(`its pods are restricted: ${name}`, refused.problems);
  for (const [rule, check] of Object.entries(RULES)) tell(`${rule}: ${name}`, check(items));
}

/** A controller would make it; here it is asked for as it is, because Pod Security refuses pods only. */
function asPod({ labels, spec }, index) {
  const account = { serviceAccountName: 'default', serviceAccount: 'default' };
  // Of a StatefulSet, which has claims for these.
  const mounted = spec.containers.flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name));
  const claimed = [...new Set(mounted)].filter((name) => !spec.volumes.some((volume) => volume.name === name));
  const volumes = [...spec.volumes, ...claimed.map((name) => ({ name, emptyDir: {} }))];
  const metadata = { name: `pod-${index}`, labels };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { ...spec, ...account, volumes } };
}

async function checkGolden(name, values) {
  const { ok, out, err } = await render(values);
  if (!ok) return tell(`golden: ${name}`, [err]);
  const file = join(GOLDEN, `${name}.yaml`);
  if (update) writeFileSync(file, out);
  const known = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  const now = out.split('\n');
  const at = now.findIndex((line, i) => line !== known[i]);
  const same = at < 0 && known.length === now.length;
  const where = `line ${at + 1} was ${JSON.stringify(known[at])} and is ${JSON.stringify(now[at])}; look at it, then --update`;
  tell(`golden: ${name}`, same ? [] : [where]);
}

/** What is made once is there after each of these; what Helm made is gone at the end. */
async function checkLife() {
  const claim = async () => (await kubectl(['get', 'pvc', 'x-lastcall-catalog', '-o', 'jsonpath={.metadata.uid}'])).out;
  const step = async (name, doing) => {
    const { ok, err } = await doing;
    tell(name, ok ? [] : err.trim().split('\n'));
  };
  await kubectl(['create', 'secret', 'generic', 'x-lastcall-bus', '--from-literal=catalog=made-once']);
  await step('installs', deploy('install', EVALUATION));
  const first = await claim();
  await step('upgrades', deploy('upgrade', { ...EVALUATION, common: { replicas: 3 } }));
  await step('rolls back', run('helm', ['rollback', 'x', '1', '-n', NAMESPACE, '--no-hooks']));
  const replicas = (await kubectl(['get', 'deployment', 'x-lastcall-session', '-o', 'jsonpath={.spec.replicas}'])).out;
  tell('is as it was after a rollback', replicas === '2' ? [] : [`${replicas} replicas of session`]);
  await step('uninstalls', run('helm', ['uninstall', 'x', '-n', NAMESPACE, '--no-hooks']));
  const kept = (await kubectl(['get', 'secret', 'x-lastcall-bus', '-o', 'jsonpath={.data.catalog}'])).out;
  tell(
    'keeps the volume of the catalog and the Secrets',
    first !== '' && (await claim()) === first && kept !== '' ? [] : ['gone'],
  );
  await step('installs again on what it kept', deploy('install', EVALUATION));
  tell('takes the volume over', (await claim()) === first ? [] : ['another one']);
  await step('uninstalls again', run('helm', ['uninstall', 'x', '-n', NAMESPACE, '--no-hooks']));
}

await needPrograms();
checkSchema();
checkCopies();
await checkRefusals();
await checkGolden('evaluation', EVALUATION);
await checkGolden('production', PRODUCTION);
await prepareCluster();
await checkValues('production', PRODUCTION);
for (const chosen of combinations()) await checkValues(Object.values(chosen).join(', '), valuesOf(chosen));
await checkLife();
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed > 0 ? 1 : 0);
