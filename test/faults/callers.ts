import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from './random.ts';

/** What one caller asks for. */
export interface CallShape {
  stream: boolean;
  /** Of the simulator: `rate:20`, `hang:1000` ... */
  fault: string | null;
  maxTokens: number | null;
  /** The caller leaves this long after its head came; null: it stays. */
  leavesAfterMs: number | null;
  prompt: string;
  model?: string;
  /** Further headers. */
  headers?: Readonly<Record<string, string>>;
  /** The content of the user's message in place of the prompt. */
  content?: unknown;
  /** Path below the proxy; default the OpenAI chat route of provider `sim`. */
  path?: string;
  key?: string;
}

/**
 * How one call ended for its caller: `whole` (the answer's own end was seen), `refused` (a native error of ours), `broken`
 * (after the head), `left`, or `unreached` (no head came).
 */
export type CallEnd = 'whole' | 'refused' | 'broken' | 'left' | 'unreached';

/** What one caller saw. */
export interface Sighting {
  /** Stands on the run as tag `call` and in the simulator's ledger: joins both without the answer. */
  call: string;
  proxy: string;
  stream: boolean;
  runId: string | null;
  status: number | null;
  /** `x-hoc-code` of a refusal. */
  code: string | null;
  bytes: number;
  end: CallEnd;
  startedAtMs: number;
  /** To the head, and to the end. */
  headMs: number | null;
  tookMs: number;
  /** The answer of a call that is not a stream, and the last bytes of one that is. */
  tail: string;
}

export interface CallersInput {
  proxies: readonly string[];
  key: string;
  callers: number;
  random: Random;
  shape(random: Random, nth: number): CallShape;
  /** Pause between two calls of one caller, in ms; default 0. */
  pauseMs?: number;
  /** Told of each call as it ends; where it is given nothing is kept. */
  onSighting?(sighting: Sighting): void;
}

/** Callers that each hold one call open at a time, call after call, whatever happens to the proxies. */
export interface Callers {
  sightings: Sighting[];
  /** Calls under way. */
  open(): number;
  /** No new calls; resolves when those under way have ended. */
  stop(): Promise<void>;
}

const keptBytes = 512;

/** Starts `callers` loops over the proxies, in turn. */
export function startCallers(input: CallersInput): Callers {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const sightings: Sighting[] = [];
  let stopping = false;
  let open = 0;
  let made = 0;
  const loop = async (nth: number): Promise<void> => {
    while (!stopping) {
      const { proxies, random, key } = input;
      made += 1;
      const proxy = proxies[(nth + made) % proxies.length] ?? '';
      const shape = input.shape(random, made);
      open += 1;
      const sighting = await makeCall({ agent, proxy, key, call: `c${random.seed}-${made}`, shape });
      open -= 1;
      if (input.onSighting === undefined) sightings.push(sighting);
      else input.onSighting(sighting);
      // A proxy that is away refuses at once: callers that come back at once would be a flood of nothing.
      if (sighting.end === 'unreached') await delay(100);
      else if (sighting.end === 'refused' || input.pauseMs !== undefined) await delay(input.pauseMs ?? 50);
    }
  };
  const loops = Array.from({ length: input.callers }, (_, nth) => loop(nth));
  return {
    sightings,
    open: () => open,
    async stop() {
      stopping = true;
      await Promise.all(loops);
      agent.destroy();
    },
  };
}

/** Makes one call and resolves with what its caller saw; never rejects. */
export function makeCall(input: {
  agent?: Agent;
  proxy: string;
  key: string;
  call: string;
  shape: CallShape;
}): Promise<Sighting> {
  return new Promise((resolve) => new Call(input, resolve).start());
}

class Call {
  readonly #input: Parameters<typeof makeCall>[0];
  readonly #resolve: (sighting: Sighting) => void;
  readonly #startedMs = performance.now();
  readonly #sighting: Sighting;
  #request: ClientRequest | null = null;
  #tail: Buffer = Buffer.alloc(0);
  #left = false;
  #leaving: NodeJS.Timeout | null = null;

  constructor(input: Parameters<typeof makeCall>[0], resolve: (sighting: Sighting) => void) {
    this.#input = input;
    this.#resolve = resolve;
    this.#sighting = {
      call: input.call,
      proxy: input.proxy,
      stream: input.shape.stream,
      runId: null,
      status: null,
      code: null,
      bytes: 0,
      end: 'unreached',
      startedAtMs: Date.now(),
      headMs: null,
      tookMs: 0,
      tail: '',
    };
  }

  start(): void {
    const { agent, proxy, key, call, shape } = this.#input;
    const body = bodyOf(shape);
    this.#request = request(`${proxy}${shape.path ?? '/sim/v1/chat/completions'}`, {
      method: 'POST',
      ...(agent === undefined ? {} : { agent }),
      headers: {
        authorization: `Bearer ${shape.key ?? key}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'x-hoc-tags': `call=${call}`,
        'x-simulator-tag': call,
        ...(shape.fault === null ? {} : { 'x-simulator-fault': shape.fault }),
        ...shape.headers,
      },
    });
    this.#request.on('response', (response) => this.#onHead(response));
    this.#request.on('error', () => this.#end(this.#sighting.status === null ? 'unreached' : 'broken'));
    this.#request.end(body);
  }

  #onHead(response: IncomingMessage): void {
    const { shape } = this.#input;
    this.#sighting.headMs = performance.now() - this.#startedMs;
    this.#sighting.status = response.statusCode ?? 0;
    this.#sighting.runId = headerOf(response, 'x-hoc-run-id');
    this.#sighting.code = headerOf(response, 'x-hoc-code');
    if (shape.leavesAfterMs !== null) {
      this.#leaving = setTimeout(() => {
        this.#left = true;
        this.#request?.destroy();
      }, shape.leavesAfterMs);
    }
    response.on('data', (bytes: Buffer) => this.#take(bytes));
    response.on('close', () => {
      if (!response.complete) return this.#end('broken');
      const whole = !shape.stream || this.#sighting.status !== 200 || isWholeStream(this.#tail.toString('latin1'));
      this.#end(this.#sighting.code !== null ? 'refused' : whole ? 'whole' : 'broken');
    });
  }

  #take(bytes: Buffer): void {
    this.#sighting.bytes += bytes.length;
    const tail = this.#tail.length === 0 ? bytes : Buffer.concat([this.#tail, bytes]);
    this.#tail = this.#input.shape.stream ? tail.subarray(Math.max(0, tail.length - keptBytes)) : tail;
  }

  #end(end: CallEnd): void {
    if (this.#leaving !== null) clearTimeout(this.#leaving);
    this.#sighting.tookMs = performance.now() - this.#startedMs;
    this.#sighting.end = this.#left ? 'left' : end;
    this.#sighting.tail = this.#tail.toString('utf8');
    this.#resolve(this.#sighting);
  }
}

function bodyOf(shape: CallShape): string {
  return JSON.stringify({
    model: shape.model ?? 'sim-small',
    ...(shape.maxTokens === null ? {} : { max_tokens: shape.maxTokens }),
    messages: [{ role: 'user', content: shape.content ?? shape.prompt }],
    ...(shape.stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  });
}

/** The terminal event of either dialect. */
function isWholeStream(tail: string): boolean {
  return tail.endsWith('data: [DONE]\n\n') || /event: message_stop\n.*\n\n$/.test(tail);
}

function headerOf(response: IncomingMessage, name: string): string | null {
  const value = response.headers[name];
  return typeof value === 'string' ? value : null;
}
