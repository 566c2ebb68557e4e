/* Settings with which nothing must start: the variable that is named, by what stands in the environment. */

type BadSetting = readonly [variable: string, values: readonly string[]];

const NO_ADDRESS = ['here', '127.0.0.1', ':7421', '127.0.0.1:', '127.0.0.1:65536', 'http://a:1', 'a b:1', '::1:7421'];

export const SETTINGS: readonly BadSetting[] = [
  ['LASTCALL_GRPC_ADDRESS', NO_ADDRESS],
  ['LASTCALL_HTTP_ADDRESS', NO_ADDRESS],
  ['LASTCALL_CATALOG_ADDRESS', NO_ADDRESS],
  ['LASTCALL_METRICS_ADDRESS', NO_ADDRESS],
  ['LASTCALL_BUS', ['nats', 'http://a:4222', 'nats://', 'nats:// a', 'kafka://a']],
  ['LASTCALL_STORE', ['mongodb', 'mongodb://', 'postgres://a', 'http://a']],
  ['LASTCALL_PREFIX', ['Last', '1a', 'a.b', 'a b', '*', '>', 'a'.repeat(33)]],
  ['LASTCALL_BUS_REPLICAS', ['0', '2', '4', '7', '1.5', 'three', '-1']],
  ['LASTCALL_CATALOG_URL', ['catalog', 'ftp://a', 'http://']],
  ['LASTCALL_TLS_CLIENT_CERTS', ['yes', 'required']],
  ['LASTCALL_LOG_LEVEL', ['loud', 'INFO', '3']],
  ['LASTCALL_TELEMETRY', ['on', 'jaeger']],
  ['LASTCALL_MAX_CONNECTION_AGE_MS', ['-1', 'long', '604800001']],
  ['LASTCALL_STOP_TIMEOUT_MS', ['99', '600001', 'soon']],
  ['LASTCALL_MAX_UPLOAD_BYTES', ['0', '-1', '8 GiB', '1e99']],
  ['LASTCALL_CALLS_PER_SECOND', ['-1', 'many', '1000001']],
  ['LASTCALL_CALLS_BURST', ['0', '10000001']],
  ['LASTCALL_TIMESTAMP_VALID_DAYS', ['0', '91', 'week']],
  ['LASTCALL_SETTLE_MS', ['-1', '3600001']],
  ['LASTCALL_PARALLEL_HOSTS', ['0', '1001']],
  ['LASTCALL_MINIMUM_AGENT_VERSION', ['1', 'v1.0.0', '1.0.0-a']],
  ['LASTCALL_FACTS_TIMEOUT_MS', ['0', '999', 'NaN']],
  ['LASTCALL_REHEARSE_BEFORE_MS', ['0', 'a day', '1,2,3,4,5,6,7,8,9,10,11', '-1', '1.5']],
  ['LASTCALL_SMTP_URL', ['smtp', 'http://a', 'mail.example.org']],
  ['LASTCALL_SMTP_FROM', ['a', 'x'.repeat(255)]],
  ['LASTCALL_SESSION_LEASE_MS', ['1999', 'x']],
  ['LASTCALL_MAX_QUEUED_BYTES', ['1023', '-5']],
  ['LASTCALL_NOTHING', ['x']],
  ['LASTCALL_GRPC_ADRESS', ['127.0.0.1:7421']],
];

/** Files of LASTCALL_CONFIG_DIR, by what is in them, and what the refusal has to name. */
export const CONFIG_FILES: readonly (readonly [what: string, text: string, names: RegExp])[] = [
  ['no JSON', '{ "logLevel": ', /10-a\.json/],
  ['nothing', '', /10-a\.json/],
  ['a list', '[]', /10-a\.json/],
  ['a text', '"x"', /10-a\.json/],
  ['null', 'null', /10-a\.json/],
  ['a setting that there is not', '{ "logLevle": "info" }', /logLevle.*10-a\.json/],
  ['a value of another kind', '{ "grpcAddress": 7421 }', /grpcAddress.*10-a\.json/],
  ['a number out of bounds', '{ "busReplicas": 9 }', /busReplicas.*10-a\.json/],
  ['a name from the prototype', '{ "__proto__": { "logLevel": "x" }, "constructor": 1 }', /constructor.*10-a\.json/],
];
