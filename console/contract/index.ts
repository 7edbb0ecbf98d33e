export * from './api.ts';
export { ControlClient } from './client.ts';
export {
  type ConfigurationFile,
  configurationSchema,
  type KeyConfiguration,
  type LimitConfiguration,
  type PolicyConfiguration,
  type ProviderConfiguration,
  renderConfigurationSchema,
  type TenantConfiguration,
} from './configuration.ts';
export * from './decisions.ts';
export { type ExportedRun, runExportFields } from './run-export.ts';
export { firstKeyVariable, listSecretNames, resolveSecrets } from './secret-names.ts';
