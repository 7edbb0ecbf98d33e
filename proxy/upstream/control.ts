import { request } from 'undici';
import { HocError } from '../../storage/schema/errors.ts';
import type { MarkReport } from '../../storage/schema/reservation.ts';
import type { SealedCredentials, SignedManifest } from '../../storage/schema/snapshot.ts';

const timeoutMs = 5_000;

export interface ControlLink {
  manifest(): Promise<SignedManifest>;
  document(id: string): Promise<string>;
  enrol(name: string, publicKey: string): Promise<{ node_id: string; node_token: string }>;
  credentials(nodeToken: string): Promise<SealedCredentials>;
  /** Rebuilds of limit counters that are open now. */
  openRebuilds(): Promise<readonly { tenant: string; counterEpoch: string }[]>;
  /** Tells where the spool is marked for new counter epochs and what was open there; idempotent. */
  postMarks(reports: readonly MarkReport[]): Promise<void>;
}

interface OpenRebuilds {
  rebuilds: readonly { tenant: string; counter_epoch: string }[];
}

/** Amounts as decimal strings. */
function renderAmount(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

/** The data plane's view of control, `/internal/v1`. Failures are HocError `engine_unavailable`; none holds a token. */
export function createControlLink(baseUrl: string, token: string): ControlLink {
  const root = `${baseUrl.replace(/\/$/, '')}/internal/v1`;

  async function call(
    path: string,
    options: { method: 'GET' | 'POST'; bearer: string; body?: unknown },
  ): Promise<string> {
    try {
      const answer = await request(`${root}/${path}`, {
        method: options.method,
        headers: { authorization: `Bearer ${options.bearer}`, 'content-type': 'application/json' },
        body: options.body === undefined ? null : JSON.stringify(options.body, renderAmount),
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      });
      const text = await answer.body.text();
      if (answer.statusCode === 200) return text;
      throw new Error(`status ${answer.statusCode}`);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : 'no answer';
      const publicMessage = `Control at ${baseUrl} did not answer ${options.method} /internal/v1/${path.split('/')[0]}: ${why}.`;
      throw new HocError({ code: 'engine_unavailable', publicMessage, cause });
    }
  }

  return {
    manifest: async () => JSON.parse(await call('manifest', { method: 'GET', bearer: token })) as SignedManifest,
    document: (id) => call(`documents/${id}`, { method: 'GET', bearer: token }),
    enrol: async (name, publicKey) => {
      const body = { name, public_key: publicKey };
      return JSON.parse(await call('enrol', { method: 'POST', bearer: token, body })) as {
        node_id: string;
        node_token: string;
      };
    },
    credentials: async (nodeToken) =>
      JSON.parse(await call('credentials', { method: 'GET', bearer: nodeToken })) as SealedCredentials,
    openRebuilds: async () => {
      const { rebuilds } = JSON.parse(await call('marks', { method: 'GET', bearer: token })) as OpenRebuilds;
      return rebuilds.map(({ tenant, counter_epoch: counterEpoch }) => ({ tenant, counterEpoch }));
    },
    postMarks: async (reports) => void (await call('marks', { method: 'POST', bearer: token, body: { reports } })),
  };
}
