import { layerRules } from './deploy/checks/layers.mjs';

/** dependency-cruiser reads the layer table from deploy/checks/layers.mjs; ARCHITECTURE.md lists it with its reasons. */
export default {
  forbidden: layerRules.map(({ id, title, reason, instead, from, to }) => ({
    name: id,
    severity: 'error',
    comment: `${title}. ${reason} Instead: ${instead}`,
    from,
    to,
  })),
  options: {
    doNotFollow: { path: 'node_modules' },
    // Types count: an engine that knows a driver's type is tied to that driver.
    tsPreCompilationDeps: true,
    detectProcessBuiltinModuleCalls: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.js', '.mjs', '.cjs', '.d.ts', '.json'],
      mainFields: ['module', 'main', 'types', 'typings'],
    },
  },
};
