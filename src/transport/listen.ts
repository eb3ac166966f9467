// Which addresses and ports are listened on. `localhost` is two addresses: whoever held the other one could stand in for this server.
import { once } from "node:events";
import { createServer } from "node:net";
import type { Server } from "node:net";

/** How often a free port is looked for that is free on both addresses. */
const TRIES = 20;

/** The addresses that stand for a configured host. */
export function addressesOf(host: string): readonly string[] {
  return host === "localhost" || host === "127.0.0.1" ? ["127.0.0.1", "::1"] : [host];
}

/** Listens on each address of a host under one port, 0 for a free one; gives the port. A machine without IPv6 has no ::1, which is passed over. */
export async function listen(
  host: string,
  port: number,
  bind: (address: string, port: number) => Promise<number>,
): Promise<number> {
  const [first = host, ...others] = addressesOf(host);
  for (let attempt = 1; ; attempt++) {
    const bound = await bind(first, port);
    try {
      for (const other of others) await bind(other, bound).catch(unlessAbsent);
      return bound;
    } catch (error) {
      // Somebody has that port on the other address only: another free one will do.
      if (port !== 0 || attempt === TRIES) throw error;
    }
  }
}

export async function listenOn(server: Server, address: string, port: number): Promise<number> {
  server.listen({ host: address, port, ipv6Only: true });
  await once(server, "listening");
  const at = server.address();
  if (at === null || typeof at === "string") throw new Error("a TCP server listens on no port");
  return at.port;
}

/**
 * Throws as `listen` will when a port is somebody else's, before anything was made for the sake of a server that cannot be. Nothing is
 * held: who takes the port in between is met by `listen`.
 */
export async function expectFree(host: string, ports: readonly number[]): Promise<void> {
  for (const port of ports.filter((one) => one !== 0)) {
    await listen(host, port, async (address) => {
      const probe = createServer();
      const bound = await listenOn(probe, address, port);
      probe.close();
      await once(probe, "close");
      return bound;
    });
  }
}

function unlessAbsent(error: unknown): void {
  const text = String(error);
  if (!/EADDRNOTAVAIL|EAFNOSUPPORT|ENOTSUP|address not available|not supported/i.test(text)) throw error;
}
