import { connect, createServer, type Socket } from 'node:net';

export interface Forwarder {
  url: string;
  /** Breaks all connections; new ones go to this port from now on, as after a failover. */
  switchTo(port: number): void;
  /**
   * Breaks the clients' side of all connections and keeps what they sent from `hold` on. What is handed over later, with
   * `release`, reaches the server on the connection that it was sent on, as packets that were long on their way.
   */
  hold(): void;
  breakClients(): void;
  release(): Promise<void>;
  close(): Promise<void>;
}

interface Pair {
  inside: Socket;
  outside: Socket;
  /** What the client sent since it is held; null where it passes. */
  held: Buffer[] | null;
}

/** An address of our own in front of one Redis after another. */
export async function startForwarder(firstPort: number): Promise<Forwarder> {
  let target = firstPort;
  const pairs = new Set<Pair>();
  const server = createServer((inside) => {
    const pair: Pair = { inside, outside: connect(target, '127.0.0.1'), held: null };
    pairs.add(pair);
    join(pair, () => pairs.delete(pair));
  });
  const breakAll = () => {
    for (const { inside, outside } of pairs) {
      inside.destroy();
      outside.destroy();
    }
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `redis://127.0.0.1:${port}`,
    switchTo(next) {
      target = next;
      breakAll();
    },
    hold() {
      for (const pair of pairs) pair.held = [];
    },
    breakClients() {
      for (const { inside } of pairs) inside.destroy();
    },
    async release() {
      const old = [...pairs].filter(({ held }) => held !== null);
      await Promise.all(old.map(handOver));
    },
    close() {
      breakAll();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** A half that ends, or breaks, ends the other; a client's half that ends while it is held does not. */
function join(pair: Pair, onEnd: () => void): void {
  const { inside, outside } = pair;
  inside.on('data', (bytes) => {
    if (pair.held === null) outside.write(bytes);
    else pair.held.push(bytes);
  });
  outside.pipe(inside);
  // An error is followed by the end of the same half.
  for (const half of [inside, outside]) half.on('error', () => undefined);
  inside.on('close', () => {
    if (pair.held === null) outside.destroy();
  });
  outside.on('close', () => {
    onEnd();
    inside.destroy();
  });
}

/** Sends what was held and waits until the server has read it to its end, or had ended the connection before. */
function handOver({ outside, held }: Pair): Promise<void> {
  return new Promise((resolve) => {
    if (outside.destroyed) return resolve();
    outside.once('close', () => resolve());
    outside.resume();
    outside.end(Buffer.concat(held ?? []));
  });
}
