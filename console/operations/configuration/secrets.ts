import type { ConfigurationFile } from '../../contract/configuration.ts';
import { shortestSecret } from '../../contract/configuration.ts';
import type { FieldPath, Report } from './source.ts';

/** Secrets by the name of the environment variable they were read from. */
export type Secrets = ReadonlyMap<string, string>;

/**
 * Reports secrets that are missing, too short for a key, or the same for two keys. Never says anything of their content.
 *
 * `mustExist` is false for a check away from the place of the secrets: then only those at hand are looked at.
 */
export function checkSecrets(
  file: ConfigurationFile,
  { values, mustExist }: { values: Secrets; mustExist: boolean },
  report: Report,
): void {
  const usedAt = new Map<string, string>();
  file.tenants.forEach((tenant, tenantIndex) => {
    tenant.providers?.forEach((provider, index) => {
      if (provider.credential === undefined || provider.credential === 'passthrough') return;
      const path = ['tenants', tenantIndex, 'providers', index, 'credential', 'env'];
      checkValue({ name: provider.credential.env, secrets: values, mustExist, shortest: 1, path, report });
    });
    tenant.keys?.forEach((key, index) => {
      const path = ['tenants', tenantIndex, 'keys', index, 'secretEnv'];
      const value = checkValue({
        name: key.secretEnv,
        secrets: values,
        mustExist,
        shortest: shortestSecret,
        path,
        report,
      });
      if (value === null) return;
      const before = usedAt.get(value);
      if (before !== undefined)
        report(path, `Has the same secret as ${before}; expected a secret of its own for each key`);
      else usedAt.set(value, `key \`${key.name}\` of tenant \`${tenant.slug}\``);
    });
  });
}

function checkValue(input: {
  name: string;
  secrets: Secrets;
  mustExist: boolean;
  shortest: number;
  path: FieldPath;
  report: Report;
}): string | null {
  const value = input.secrets.get(input.name);
  if (value === undefined || value === '') {
    if (input.mustExist)
      input.report(input.path, `The environment variable ${input.name} is not set where the file is applied`);
    return null;
  }
  if (/^\s|\s$|\p{Cc}/u.test(value)) {
    input.report(
      input.path,
      `The value of ${input.name} has a line break or white space at an end, which no header carries`,
    );
    return null;
  }
  if (value.length >= input.shortest) return value;
  input.report(input.path, `The value of ${input.name} is shorter than ${input.shortest} characters`);
  return null;
}
