import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Cut, Link, type LinkFaults } from './link.ts';
import { createRandom, type Random } from './random.ts';
import { resetSocket } from './reset-socket.ts';

/** What goes wrong between callers and a server, changed at any time for open and new connections alike. */
export interface Faults {
  /** From callers to the server. */
  up?: LinkFaults;
  /** From the server to callers. */
  down?: LinkFaults;
  /** Nobody listens: new connections are refused by the kernel. Open ones stay. */
  refuse?: boolean;
  /** A server that goes away tells nobody: callers keep a connection that leads nowhere. */
  halfOpen?: boolean;
}

/** A TCP proxy in front of one server that breaks what it carries on demand. */
export interface FaultProxy {
  /** A URL of the server with this proxy's host and port in place of its own. */
  url: string;
  /** Replaces all faults. `{}` heals everything; connections whose bytes were swallowed are reset then. */
  set(faults: Faults): Promise<void>;
  /** New connections go to the host and port of this URL from now on, as after a failover. */
  retarget(url: string): void;
  /** Breaks every open connection on both sides, with RST. */
  reset(): void;
  /** Ends every open connection on the server's side and leaves the callers' sides open. */
  sever(): void;
  /** Open connections of callers, and how many there were in all. */
  connections(): { open: number; total: number };
  close(): Promise<void>;
}

/**
 * Starts a fault proxy in front of the host and port of `url` (any scheme), on a loopback address of its own, so that its
 * port stays its own while it refuses. `seed` draws the jitter.
 */
export async function startFaultProxy(url: string, seed = 1): Promise<FaultProxy> {
  const proxy = new TcpFaults(addressOf(url), createRandom(seed));
  const { host, port } = await proxy.listen();
  const through = new URL(url);
  through.host = `${host}:${port}`;
  return {
    url: through.href.replace(/\/$/, url.endsWith('/') ? '/' : ''),
    set: (faults) => proxy.set(faults),
    retarget: (next) => proxy.retarget(addressOf(next)),
    reset: () => proxy.reset(),
    sever: () => proxy.sever(),
    connections: () => proxy.count(),
    close: () => proxy.close(),
  };
}

interface Address {
  host: string;
  port: number;
}

function addressOf(url: string): Address {
  const { hostname: host, port } = new URL(url);
  return { host, port: Number(port) };
}

interface Pair {
  caller: Socket;
  server: Socket;
  links: readonly Link[];
  severed: boolean;
}

class TcpFaults {
  #target: Address;
  readonly #random: Random;
  readonly #pairs = new Set<Pair>();
  readonly #host = `127.${byte(1)}.${byte(0)}.${byte(2)}`;
  #server: Server | null = null;
  #port = 0;
  #total = 0;
  #faults: Faults = {};

  constructor(target: Address, random: Random) {
    this.#target = target;
    this.#random = random;
  }

  async listen(): Promise<Address> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (caller) => this.#accept(caller));
    server.listen(this.#port, this.#host);
    await once(server, 'listening');
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    return { host: this.#host, port: this.#port };
  }

  async set(faults: Faults): Promise<void> {
    this.#faults = faults;
    for (const pair of [...this.#pairs]) {
      const lost = pair.links.some((link) => link.swallowed) || pair.severed;
      if (lost && !faults.halfOpen && !faults.up?.swallow && !faults.down?.swallow) this.#break(pair, 'reset');
      else for (const link of pair.links) link.pump();
    }
    if (faults.refuse && this.#server !== null) {
      const closing = this.#server;
      this.#server = null;
      // It resolves when the open connections are over too; the port is free at once.
      closing.close();
    }
    if (!faults.refuse && this.#server === null) await this.listen();
  }

  retarget(target: Address): void {
    this.#target = target;
  }

  reset(): void {
    for (const pair of [...this.#pairs]) this.#break(pair, 'reset');
  }

  sever(): void {
    for (const pair of this.#pairs) {
      pair.severed = true;
      resetSocket(pair.server);
    }
  }

  count(): { open: number; total: number } {
    return { open: this.#pairs.size, total: this.#total };
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.reset();
    if (server === null) return;
    await Promise.race([new Promise((resolve) => server.close(resolve)), delay(1000)]);
  }

  #accept(caller: Socket): void {
    this.#total += 1;
    const server = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const onCut = (how: Cut): void => this.#break(pair, how);
    const random = this.#random;
    const up = new Link({ from: caller, to: server, faults: () => this.#faults.up ?? {}, random, onCut });
    const down = new Link({ from: server, to: caller, faults: () => this.#faults.down ?? {}, random, onCut });
    const pair: Pair = { caller, server, links: [up, down], severed: false };
    this.#pairs.add(pair);
    caller.on('error', () => undefined);
    server.on('error', () => {
      if (!this.#staysOpen(pair)) this.#break(pair, 'reset');
    });
    caller.on('close', () => this.#break(pair, 'fin'));
    server.on('close', () => {
      if (!this.#staysOpen(pair)) this.#break(pair, 'fin');
    });
  }

  /** Whether the caller is left in the belief that the server is still there. */
  #staysOpen(pair: Pair): boolean {
    if (this.#faults.halfOpen) pair.severed = true;
    return pair.severed;
  }

  #break(pair: Pair, how: Cut): void {
    if (!this.#pairs.delete(pair)) return;
    for (const link of pair.links) link.close();
    for (const socket of [pair.caller, pair.server]) {
      if (how === 'reset') resetSocket(socket);
      else socket.end(() => socket.destroy());
    }
  }
}

/** A part of a loopback address: the whole of 127.0.0.0/8 is this machine, so two proxies do not meet. */
function byte(least: number): number {
  return least + Math.floor(Math.random() * (250 - least));
}
