// HTTP/1.1 and HTTP/2 on one cleartext port: the first bytes of a connection say which it is. Not here: what is served, see wide-port.ts.
import type { Server as Http1Server } from "node:http";
import type { Http2Server } from "node:http2";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";

/** `PRI * HTTP/2.0` opens every HTTP/2 connection; no HTTP/1 method begins like it. */
const PREFACE = Buffer.from("PRI");
/** A connection that says nothing is not kept. */
const FIRST_BYTES_MS = 10_000;

export function sniffingServer(http1: Http1Server, http2: Http2Server): Server {
  return createServer({ noDelay: true }, (socket) => {
    const drop = (): void => void socket.destroy();
    socket.on("error", drop);
    socket.setTimeout(FIRST_BYTES_MS, drop);
    const chunks: Buffer[] = [];
    const look = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      chunks.push(chunk);
      const seen = Buffer.concat(chunks);
      const length = Math.min(seen.length, PREFACE.length);
      const may = seen.subarray(0, length).equals(PREFACE.subarray(0, length));
      // `P` and `PR` may still become POST or PRI.
      if (may && length < PREFACE.length) return;
      socket.off("readable", look);
      socket.setTimeout(0);
      socket.off("timeout", drop);
      socket.unshift(seen);
      hand(may ? http2 : http1, socket);
    };
    socket.on("readable", look);
  });
}

function hand(server: Http1Server | Http2Server, socket: Socket): void {
  server.emit("connection", socket);
}
