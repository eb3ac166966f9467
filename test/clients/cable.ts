// A cable between an executor and a listener that a test can cut: what runs over it breaks, and what comes afterwards goes through.
import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";

export class Cable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(targetPort: number) {
    this.#server = createServer((near) => {
      const far = connect(targetPort, "127.0.0.1");
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.setNoDelay(true);
        one.pipe(other);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    });
  }

  static async to(targetPort: number): Promise<Cable> {
    const cable = new Cable(targetPort);
    await new Promise<void>((resolve, reject) => {
      cable.#server.once("error", reject).listen(0, "127.0.0.1", resolve);
    });
    return cable;
  }

  /** `host:port` of the executor's end. */
  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the cable has been taken away");
    return `127.0.0.1:${address.port}`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  remove(): void {
    this.#server.close();
    this.cut();
  }
}
