import { checkLimits } from '../../../policy/limits/index.ts';
import { checkPolicies } from '../../../policy/rules/index.ts';
import type { Finding } from '../../../storage/schema/errors.ts';
import type { ConfigurationFile, TenantConfiguration } from '../../contract/configuration.ts';
import { readPolicyEntry } from './entries.ts';
import { findCeilingField, readLimitDefaults, readLimitEntry } from './limit-entries.ts';
import { findReadablePart } from './readable.ts';
import { checkTenant, checkUnique } from './references.ts';
import { checkSecrets, type Secrets } from './secrets.ts';
import { checkShape, mostFaults } from './shape.ts';
import { type ConfigurationSource, parsePath, type Report, readConfigurationSource, renderPath } from './source.ts';

/** A file that passed every check, or what is wrong with it. */
export type CheckedConfiguration =
  | { ok: true; configuration: ConfigurationFile; source: ConfigurationSource }
  | { ok: false; findings: readonly Finding[] };

/** Fields of snapshot entries as the file names them. */
const fieldNames: readonly (readonly [RegExp, string])[] = [
  [/\.when_redis_is_down$/, '.whenRedisIsDown'],
  [/\.on_error$/, '.onError'],
  [/\.sub_tenant$/, '.subTenant'],
  [/\.unit$/, '.counts'],
  [/\.from_ms$/, '.from'],
  [/\.until_ms$/, '.until'],
];

/**
 * Checks a configuration file as a whole, without any engine: syntax, shape, references, secrets, and what the engines say
 * of its policies and limits. Returns every mistake with its line and field, sorted by line, or the file ready to apply.
 * What has its shape is looked at closely also where other parts of the file have not.
 */
export function checkConfiguration(input: {
  file: string;
  text: string;
  secrets: Secrets;
  secretsMustExist: boolean;
}): CheckedConfiguration {
  const { source, findings } = readConfigurationSource(input.file, input.text);
  if (source === null) return { ok: false, findings };
  const found: Finding[] = [];
  const report: Report = (path, message) => {
    found.push({ file: source.file, line: source.lineOf(path), field: renderPath(path), message });
  };
  const faults = checkShape(source.value);
  for (const fault of faults) report(fault.path, fault.message);
  // Beyond this many faults the rest is not known, and what does not have its shape cannot be looked at more closely.
  if (faults.length >= mostFaults) return { ok: false, findings: sort(found) };
  const readable = findReadablePart(source.value, faults);
  checkContent(readable.configuration, input, (path, message) => {
    if (readable.isCertain(path)) report(readable.placeInFile(path), message);
  });
  const configuration = source.value as ConfigurationFile;
  return found.length > 0 ? { ok: false, findings: sort(found) } : { ok: true, configuration, source };
}

/** What is wrong with a configuration that has its shape. */
function checkContent(
  configuration: ConfigurationFile,
  { secrets, secretsMustExist }: { secrets: Secrets; secretsMustExist: boolean },
  report: Report,
): void {
  checkUnique(configuration.tenants, 'slug', { path: ['tenants'], report });
  configuration.tenants.forEach((tenant, index) => {
    checkTenant(tenant, ['tenants', index], report);
    for (const finding of askEngines(tenant, `tenants[${index}]`)) report(parsePath(finding.field), finding.message);
  });
  checkSecrets(configuration, { values: secrets, mustExist: secretsMustExist }, report);
}

function askEngines(tenant: TenantConfiguration, place: string): Finding[] {
  const defaults = readLimitDefaults(tenant);
  const policies = (tenant.policies ?? []).map((policy) => readPolicyEntry(policy, 1));
  const limits = (tenant.limits ?? []).map((limit) => readLimitEntry(limit, defaults));
  const findings = [
    ...checkPolicies(policies, (index) => `${place}.policies[${index}]`, { limits: limits.map(({ id }) => id) }),
    ...checkLimits(limits, (index) => `${place}.limits[${index}]`),
  ];
  return findings.map((finding) => ({ ...finding, field: renameField(finding.field, tenant) }));
}

function renameField(field: string, tenant: TenantConfiguration): string {
  const [, index] = /\.limits\[(\d+)\].*\.ceiling$/.exec(field) ?? [];
  const limit = index === undefined ? undefined : tenant.limits?.[Number(index)];
  if (limit !== undefined) return field.replace(/ceiling$/, findCeilingField(limit));
  return fieldNames.reduce((name, [from, to]) => name.replace(from, to), field);
}

/** By line; of several findings at one field only the first, which says the most. */
function sort(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  const first = findings.filter((finding) => !seen.has(finding.field) && seen.add(finding.field));
  return first.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
}
