import { parse } from 'yaml';
import type { Listen } from './ports.ts';

/**
 * Where the built-in simulator must listen for this configuration: at the loopback address of the provider `simulator`;
 * null when no provider of that name points to this machine. Text that does not parse asks for no simulator: control says
 * what is wrong with it.
 */
export function simulatorListen(text: string): Listen | null {
  let tenants: unknown;
  try {
    tenants = (parse(text, { logLevel: 'silent' }) as { tenants?: unknown } | null)?.tenants;
  } catch {
    return null;
  }
  for (const tenant of Array.isArray(tenants) ? (tenants as { providers?: unknown }[]) : []) {
    for (const provider of Array.isArray(tenant?.providers) ? (tenant.providers as Record<string, unknown>[]) : []) {
      const url = typeof provider?.baseUrl === 'string' ? provider.baseUrl : '';
      const found = /^http:\/\/(127\.0\.0\.1|localhost):(\d{1,5})(\/|$)/.exec(url);
      if (provider?.slug === 'simulator' && found?.[2] !== undefined)
        return { host: '127.0.0.1', port: Number(found[2]) };
    }
  }
  return null;
}
