// A cable between two that speak TCP, with an address that stays. A test can cut it, take it away and lay it again. Not here: what
// is said over it; who wants to read or hold that splices the two ends together by itself.
import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";

/** Joins the two ends of a connection that was made. The cable itself sees to it that they end together. */
export type Splice = (near: Socket, far: Socket) => void;

const straight: Splice = (near, far) => {
  near.pipe(far);
  far.pipe(near);
};

export class Cable {
  /** Where new connections lead. */
  targetPort: number;
  readonly #splice: Splice;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  private constructor(targetPort: number, splice: Splice) {
    this.targetPort = targetPort;
    this.#splice = splice;
  }

  static async to(targetPort: number, splice: Splice = straight): Promise<Cable> {
    const cable = new Cable(targetPort, splice);
    await cable.lay();
    return cable;
  }

  get port(): number {
    return this.#port;
  }

  /** `host:port` of the near end. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** After it was taken away, at the same address. */
  async lay(): Promise<void> {
    const server = createServer((near) => {
      this.#join(near);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(this.#port, "127.0.0.1", resolve);
    });
    const address = server.address();
    if (typeof address === "object" && address !== null) this.#port = address.port;
    this.#server = server;
  }

  /** What runs over it breaks; what comes afterwards goes through. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** What runs over it breaks, and nobody is let in any more. */
  remove(): void {
    this.#server?.close();
    this.cut();
  }

  #join(near: Socket): void {
    const far = connect(this.targetPort, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
    this.#splice(near, far);
  }
}
