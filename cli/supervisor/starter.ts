import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstKeyVariable } from '../../console/contract/secret-names.ts';
import { type Listen, localUrl } from './ports.ts';
import { simulatorListen } from './simulator-address.ts';

/**
 * Writes the starter configuration into a new data folder: one tenant, the built-in simulator as its provider, one key.
 * An existing file stays as the person left it, except that the simulator's address in it follows the simulator when that
 * had to move to another port. Returns the file's path.
 */
export function openStarter(folder: string, simulator: Listen): string {
  const file = join(folder, 'hoc.yaml');
  if (!existsSync(file)) {
    writeFileSync(file, starterText(localUrl(simulator)), { mode: 0o600 });
    return file;
  }
  const text = readFileSync(file, 'utf8');
  const written = simulatorListen(text);
  if (written !== null && written.port !== simulator.port) {
    const next = text.replaceAll(
      new RegExp(`http://(127\\.0\\.0\\.1|localhost):${written.port}(?!\\d)`, 'g'),
      localUrl(simulator),
    );
    writeFileSync(file, next, { mode: 0o600 });
  }
  return file;
}

function starterText(simulatorUrl: string): string {
  return `# HOC's configuration. Change it, then: hoc apply -f hoc.yaml (or start HOC again).
tenants:
  - slug: default
    providers:
      # The built-in simulator answers like OpenAI and Anthropic and needs no internet and no credential.
      - { slug: simulator, baseUrl: "${simulatorUrl}", allowPrivate: true, askUsage: always }
      # A real provider: callers send its credential beside their HOC key in x-hoc-key, or HOC keeps it:
      # - { slug: openai, baseUrl: "https://api.openai.com", credential: { env: OPENAI_API_KEY } }
    keys:
      - { name: first, secretEnv: ${firstKeyVariable} }
    # policies:
    #   - { id: no-big-models, when: { "in": [{ "var": "request.model" }, ["sim-large"]] }, then: { action: deny, reason: "Use a small model" } }
    # limits:
    #   - { id: per-key, kind: requests, ceiling: 600, window: 1m, align: rolling, by: [key] }
    #   - { id: budget, kind: money, ceilingUsd: "50", window: 1mo, align: calendar }
`;
}
