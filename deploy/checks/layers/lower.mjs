import {
  code,
  contract,
  driverLibraries,
  drivers,
  engines,
  front,
  libraries,
  npmTypes,
  ours,
  pureCore,
  pureLibraries,
  root,
  schema,
  tests,
} from './paths.mjs';

export const enginesRules = [
  {
    id: 'HOC-LAYER-13',
    title: 'Engines never import drivers',
    reason: 'A decision that reads a database cannot be replayed.',
    instead: 'Take the value as a parameter; the operation that calls you reads it first.',
    from: code(engines),
    to: { path: drivers, pathNot: [root] },
  },
  {
    id: 'HOC-LAYER-14',
    title: 'Engines import engines and the schema only',
    reason: 'What is pure stays pure only as far as everything under it is.',
    instead: 'Move the type to storage/schema, or take the value as a parameter.',
    from: code(engines),
    to: { path: ours, pathNot: [...engines, ...drivers, schema, root] },
  },
  {
    id: 'HOC-LAYER-15',
    title: 'Engines import no I/O module',
    reason: 'No clock, network, file or process: the same inputs give the same answer on every machine, for ever.',
    instead:
      'Take what you need as a parameter. Of Node only crypto (hashing), buffer, util and string_decoder are open.',
    from: code(engines),
    to: { dependencyTypes: ['core'], pathNot: [pureCore] },
  },
  {
    id: 'HOC-LAYER-16',
    title: 'Engines use a short list of pure libraries',
    reason: 'Every library under a decision is part of its definition; Fastify, ORMs and clients can never be.',
    instead: `Open are ${pureLibraries.join(', ')}; another one needs a decision record and a line in deploy/checks/layers/paths.mjs.`,
    from: code(engines),
    to: { dependencyTypes: npmTypes, pathNot: [libraries(pureLibraries)] },
  },
];

export const driversRules = [
  {
    id: 'HOC-LAYER-17',
    title: 'Drivers never import engines',
    reason: 'A driver that decides hides a rule where nobody looks for one.',
    instead: 'Return plain records; the operation above applies the engine.',
    from: code(drivers),
    to: { path: engines, pathNot: [root] },
  },
  {
    id: 'HOC-LAYER-18',
    title: 'Drivers never import routes, operations or processes',
    reason: 'A driver is a leaf: what calls it changes more often than it does.',
    instead: 'Take plain values; declare your own option type; a port is the business of the consumer.',
    from: code(drivers),
    to: { path: ours, pathNot: [...drivers, ...engines, schema, root] },
  },
  {
    id: 'HOC-LAYER-19',
    title: 'A driver never imports another driver',
    reason: 'Two engines joined below the operation make an order that no pipeline shows.',
    instead: 'Join them in the operation: each through its own port.',
    from: code('^(storage/(?!schema/)[^/]+|proxy/(upstream|inspector))/', [front]),
    to: { path: drivers, pathNot: ['^$1/', root] },
  },
  ...Object.entries(driverLibraries).map(([folder, { rule, names }]) => ({
    id: rule,
    title: `${folder} imports ${names.length === 0 ? 'no library' : `no library but ${names.join(', ')}`}`,
    reason: 'One driver, one client library.',
    instead: `Write it in ${folder} with Node alone, or put the other engine's driver into a folder of its own.`,
    from: code(`^${folder}/`, [front]),
    to: { dependencyTypes: npmTypes, pathNot: names.length === 0 ? [] : [libraries(names)] },
  })),
  {
    id: 'HOC-LAYER-27',
    title: 'A new driver folder names its client library',
    reason: 'A folder that no line of the table knows would be bound by none.',
    instead:
      'Add the folder and its library to driverLibraries in deploy/checks/layers/paths.mjs, with a decision record.',
    from: code('^storage/', [schema, ...Object.keys(driverLibraries).map((folder) => `^${folder}/`)]),
    to: { dependencyTypes: npmTypes },
  },
];

export const schemaRules = [
  {
    id: 'HOC-LAYER-28',
    title: 'The schema imports nothing',
    reason: 'Everything stands on it, so it stands on nothing.',
    instead: 'Write the type out here, or move the code that needs a library one layer up.',
    from: code(schema),
    to: { pathNot: [schema, ...tests] },
  },
  {
    id: 'HOC-LAYER-29',
    title: 'The contract imports the schema only',
    reason: 'It is what the browser, the command line and control share; whatever it imports, they all carry.',
    instead: 'Move the type to storage/schema, or the code into console/operations.',
    from: code(contract),
    to: { path: ours, pathNot: [contract, schema, root] },
  },
  {
    id: 'HOC-LAYER-30',
    title: 'The contract uses typebox and yaml and no Node module',
    reason: 'It runs in a browser too.',
    instead: 'Use what both worlds have (fetch, URL, TextEncoder), or move the code out of the contract.',
    from: code(contract),
    to: { dependencyTypes: ['core', ...npmTypes], pathNot: [libraries(['typebox', 'yaml'])] },
  },
];
