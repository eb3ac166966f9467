// The socket of a connection to Postgres: made once, with a time limit, and written to in one go. Not here: what is said on it.
import { connect } from "node:net";
import type { Socket } from "node:net";

/**
 * Makes one socket, and no second: a server that ends the connection before the login is over, as a proxy with no database
 * behind it does, is otherwise tried by the driver for ever, with nobody being told.
 */
export function dialsOnce(limitMs: number): (to: Address) => Promise<Socket> {
  let dialled = false;
  return async (to) => {
    if (dialled) throw Object.assign(new Error("ended before the login was over"), { code: "CONNECTION_CLOSED" });
    dialled = true;
    return dial(to, limitMs);
  };
}

/** Where the driver says that the server is. */
export interface Address {
  readonly host: readonly string[];
  readonly port: readonly number[];
  readonly path: string | false;
}

/** A connected socket. Made here so that a lane never connects twice, and with a time limit of its own. */
async function dial(to: Address, limitMs: number): Promise<Socket> {
  const host = to.host[0] ?? "localhost";
  const socket = typeof to.path === "string" ? connect(to.path) : connect(Number(to.port[0]), host);
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(
      () => socket.destroy(Object.assign(new Error("too slow"), { code: "CONNECT_TIMEOUT" })),
      limitMs,
    );
    socket.once("error", (error) => {
      clearTimeout(late);
      reject(error);
    });
    socket.once("connect", () => {
      clearTimeout(late);
      socket.removeAllListeners("error");
      resolve();
    });
  });
  socket.setNoDelay(true);
  gather(socket);
  // Where the driver looks for the name to check a certificate against.
  return Object.assign(socket, { host });
}

/**
 * Sends what is written in one turn in one go. The driver writes every statement of a kilobyte or more by itself, and each
 * write is a system call here and a wake-up of the server (measured: a third of what a plan of ten steps costs).
 */
function gather(socket: Socket): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  let corked = false;
  const uncork = (): void => {
    corked = false;
    socket.uncork();
  };
  socket.write = (...args: unknown[]): boolean => {
    if (!corked) {
      corked = true;
      socket.cork();
      process.nextTick(uncork);
    }
    return write(...args);
  };
}
