import {
  clientLibraries,
  code,
  consoleRoutes,
  contract,
  drivers,
  engines,
  libraries,
  operations,
  ours,
  processes,
  proxyRoutes,
  root,
  routes,
  schema,
  worldly,
} from './paths.mjs';

export const screens = [
  {
    id: 'HOC-LAYER-1',
    title: 'Screens import the contract and nothing else of ours',
    reason: 'A screen that knows an engine or a table decides; figures, thresholds and rules come from the API.',
    instead: 'Call the API through console/contract; a missing figure is a field the operation should answer.',
    from: code('^console/web/'),
    to: { path: ours, pathNot: ['^console/web/', contract] },
  },
];

export const routesAndCommands = [
  {
    id: 'HOC-LAYER-2',
    title: 'Routes never import engines',
    reason: 'A route that decides is a second owner of the decision.',
    instead: 'Name one operation (proxy/pipeline, console/operations); it calls the engine.',
    from: code(routes),
    to: { path: engines, pathNot: [root] },
  },
  {
    id: 'HOC-LAYER-3',
    title: 'Routes never import drivers',
    reason: 'A route that reads or writes has no transaction, no audit entry and no order.',
    instead: 'Name one operation; it reaches the driver through a port that main.ts joins.',
    from: code(routes),
    to: { path: drivers, pathNot: [root] },
  },
  {
    id: 'HOC-LAYER-4',
    title: "Proxy routes import the proxy's own operations, the contract and the schema only",
    reason: 'The data plane runs where the control plane is not reachable.',
    instead: 'Move what both planes need into storage/schema; else call control over its wire from the pipeline.',
    from: code(proxyRoutes),
    to: {
      path: ours,
      pathNot: ['^proxy/(routes|pipeline|shipper)/', ...proxyRoutes, schema, contract, root, ...engines, ...drivers],
    },
  },
  {
    id: 'HOC-LAYER-5',
    title: "Console routes import the console's own operations, the contract and the schema only",
    reason: 'A route authenticates, validates, names one operation and translates the answer; nothing else.',
    instead: 'Put the work into console/operations and call that one function.',
    from: code(consoleRoutes),
    to: {
      path: ours,
      pathNot: ['^console/(routes|operations|jobs)/', ...consoleRoutes, schema, contract, root, ...engines, ...drivers],
    },
  },
  {
    id: 'HOC-LAYER-6',
    title: 'The command line imports the contract, the schema and process entries only',
    reason: 'A command is a client of the API or starts a process; anything else would be a way around both.',
    instead: 'Call ControlClient of console/contract, or the run function of a main.ts.',
    from: code('^cli/(?!supervisor/)'),
    to: { path: ours, pathNot: ['^cli/(?!supervisor/)', schema, contract, root] },
  },
];

export const operationsRules = [
  {
    id: 'HOC-LAYER-7',
    title: 'Operations reach drivers through ports',
    reason:
      'What a stage needs is a few functions; a port names them and main.ts joins them, so a test or another engine fits too.',
    instead: 'Declare the functions you need as an interface beside the code; main.ts passes the driver in.',
    from: code(operations, [root]),
    to: { path: drivers, pathNot: [root] },
  },
  {
    id: 'HOC-LAYER-8',
    title: 'The proxy plane never imports the console plane',
    reason: 'The proxy keeps deciding while control is down; an import would tie their processes together.',
    instead: 'Exchange documents: types in storage/schema, bytes over /internal/v1.',
    from: code('^proxy/(pipeline|shipper)/', [root]),
    to: { path: '^console/', pathNot: [contract, root] },
  },
  {
    id: 'HOC-LAYER-9',
    title: 'The console plane never imports the proxy plane',
    reason: 'Control must not run a request by another path than the proxy does.',
    instead: 'Use the engine in policy/ (or the dialect, which is one too), or send the proxy a command.',
    from: code('^console/(operations|jobs|migrate|check|doctor|measure)/', [root]),
    to: { path: '^proxy/', pathNot: [...engines, ...drivers, root] },
  },
  {
    id: 'HOC-LAYER-10',
    title: 'Operations never import what stands above them',
    reason: 'Calls go down the table; a call up makes a loop of owners.',
    instead: 'Return a value and let the route translate it, or take a function as a parameter.',
    from: code('^(proxy|console)/(pipeline|shipper|operations|jobs|migrate|check|doctor|measure)/', [root]),
    to: { path: ['^$1/(routes/|web/|witness/|simulator/|server\\.ts$)', '^cli/'], pathNot: [root] },
  },
  {
    id: 'HOC-LAYER-11',
    title: 'Routes and operations do no I/O of their own',
    reason: 'I/O outside a driver has no port, so it cannot be timed, faked at its edge or found.',
    instead: 'Write a driver in storage/ (or proxy/upstream) and declare a port for it. Types alone may be imported.',
    from: code([operations, '^(proxy|console)/routes/'], [root, '^proxy/shipper/admin\\.ts$']),
    to: { path: worldly, dependencyTypes: ['core'], dependencyTypesNot: ['type-only'] },
  },
  {
    id: 'HOC-LAYER-12',
    title: 'A client library is imported by its driver only',
    reason: 'One place a library: one place to bound, to upgrade and to replace it.',
    instead: 'Add the function you miss to the driver of that library and reach it through a port.',
    from: code('^(proxy|console|cli)/', [...processes, ...engines, ...drivers]),
    to: { path: libraries(clientLibraries) },
  },
];
