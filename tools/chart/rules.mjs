import {
  arrowsOfTheCode,
  arrowsOfThePolicies,
  pathsOfTheCatalog,
  servicesOfTheContracts,
  SERVICES,
} from './arrows.mjs';

/* What has to hold for the objects of any values. Each rule answers what is wrong, one sentence each. */

const nameOf = ({ kind, metadata }) => `${kind} ${metadata.name}`;

/** Pod templates and pods with what they are of. */
export function podsOf(objects) {
  return objects.flatMap((object) => {
    if (object.kind === 'Pod') return [{ of: nameOf(object), labels: object.metadata.labels, spec: object.spec }];
    const template = object.spec?.template;
    if (!template?.spec?.containers) return [];
    return [{ of: nameOf(object), labels: template.metadata.labels, spec: template.spec }];
  });
}

export function hardening(objects) {
  return podsOf(objects).flatMap(({ of, labels, spec }) => {
    const isPrepare = labels['app.kubernetes.io/component'] === 'prepare';
    return [
      spec.automountServiceAccountToken === isPrepare || 'has the wrong idea of tokens',
      spec.enableServiceLinks === false || 'gets a variable for each Service',
      spec.hostNetwork !== true || 'is on the network of its node',
      ...spec.containers.flatMap(({ name, securityContext, resources, image }) => [
        securityContext?.readOnlyRootFilesystem === true || `${name} may write to its image`,
        resources?.requests?.memory !== undefined || `${name} reserves no memory`,
        resources?.limits?.memory !== undefined || `${name} has no limit of memory`,
        /[:@][^/]+$/.test(image) || `${name} has an image without a version: ${image}`,
      ]),
    ]
      .filter((wrong) => wrong !== true)
      .map((wrong) => `${of} ${wrong}`);
  });
}

/** Only the job has rights, and only over Secrets that are named, beside making some. */
export function rights(objects) {
  return objects
    .filter(({ kind }) => /Role$/.test(kind))
    .flatMap((role) =>
      role.rules
        .filter(({ resources, verbs, resourceNames }) => {
          const isMaking = verbs.length === 1 && verbs[0] === 'create';
          return resources.join() !== 'secrets' || (!isMaking && !resourceNames?.length) || verbs.includes('list');
        })
        .map((rule) => `${nameOf(role)} may too much: ${JSON.stringify(rule)}`),
    );
}

export function servicesLeadToPods(objects) {
  const pods = podsOf(objects);
  return objects
    .filter(({ kind }) => kind === 'Service' || kind === 'PodDisruptionBudget')
    .filter(({ kind, spec }) => {
      const selector = kind === 'Service' ? spec.selector : spec.selector.matchLabels;
      return !pods.some(({ labels }) => Object.entries(selector).every(([key, value]) => labels[key] === value));
    })
    .map((object) => `${nameOf(object)} leads to no pod`);
}

function differences(what, found, wanted) {
  return [
    ...found.filter((one) => !wanted.includes(one)).map((one) => `${what} has too much: ${one}`),
    ...wanted.filter((one) => !found.includes(one)).map((one) => `${what} lacks: ${one}`),
  ];
}

/** Default deny for each pod, and between the five exactly what the code calls. */
export function policies(objects) {
  const all = objects.filter(({ kind }) => kind === 'NetworkPolicy');
  if (all.length === 0) return [];
  const deny = all.find(({ spec }) => !spec.ingress && !spec.egress && spec.policyTypes.length === 2);
  const left = podsOf(objects).filter(
    ({ labels }) =>
      !Object.entries(deny?.spec.podSelector.matchLabels ?? { none: '' }).every(([k, v]) => labels[k] === v),
  );
  const wanted = arrowsOfTheCode();
  const { out, into } = arrowsOfThePolicies(objects);
  return [
    ...left.map(({ of }) => `${of} is denied nothing`),
    ...differences('the way out of a service', out, wanted),
    ...differences('the way into a service', into, wanted),
  ];
}

/** The public address leads to every service of the contracts, and to the catalog's files. */
export function publicRoutes(objects) {
  const ingresses = objects.filter(({ kind }) => kind === 'Ingress');
  const routes = objects.filter(({ kind }) => /^(GRPC|HTTP)Route$/.test(kind));
  if (ingresses.length + routes.length === 0) return [];
  const paths = ingresses.flatMap(({ spec }) =>
    spec.rules.flatMap(({ http }) => http.paths.map(({ path, backend }) => [path, backend.service.name])),
  );
  for (const { spec } of routes) {
    for (const { matches, backendRefs } of spec.rules) {
      for (const { method, path } of matches) paths.push([path?.value ?? `/${method.service}`, backendRefs[0].name]);
    }
  }
  const wanted = [...servicesOfTheContracts().map((name) => `/${name}`), ...pathsOfTheCatalog()];
  const serves = ([path, service]) => {
    const area = /^\/lastcall\.([a-z]+)\./.exec(path)?.[1] ?? 'catalog';
    const own = { identity: 'catalog', operations: 'scheduler' }[area] ?? area;
    return service.endsWith(`-${own}`) && SERVICES.includes(own);
  };
  return [
    ...differences(
      'the public address',
      paths.map(([path]) => path),
      wanted,
    ),
    ...paths.filter((one) => !serves(one)).map(([path, service]) => `${path} leads to ${service}`),
  ];
}

export const RULES = { hardening, rights, servicesLeadToPods, policies, publicRoutes };
