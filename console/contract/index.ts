export * from './api.ts';
export { ControlClient } from './client.ts';
export {
  type ConfigurationFile,
  configurationDefaults,
  configurationSchema,
  type KeyConfiguration,
  type LimitConfiguration,
  largestConfigurationBytes,
  type PolicyConfiguration,
  type ProviderConfiguration,
  renderConfigurationSchema,
  shortestSecret,
  type TenantConfiguration,
} from './configuration.ts';
export { type ExportedRun, runExportFields } from './run-export.ts';
export { listSecretNames, resolveSecrets } from './secret-names.ts';
