// What is no HTTP/1.1 that can be read: told so, in JSON, and ended. Node says as much by itself only where nobody listens for it.
// Not here: readable requests with bodies that are not, see unreadable.ts and conductor/body.ts.
import type { EventEmitter } from "node:events";
import { STATUS_CODES } from "node:http";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

/** The answer under way on a connection, as far as it matters here. */
export interface UnderWay {
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
}

/** How long an ended connection is kept for what its sender still sends: cut at once, it might never see the answer. */
const LINGER_MS = 500;

const SAID: Readonly<Record<string, readonly [status: number, text: string]>> = {
  HPE_HEADER_OVERFLOW: [431, "The address and headers of a request may have 16 KiB together."],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, "The extensions of a chunk are too large."],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "The request did not come in time."],
};

/** `underWay` tells what is being answered on a connection: of an answer that has begun, nothing else may follow. */
export function answerMisread(
  server: Pick<EventEmitter, "on">,
  underWay: (socket: Duplex) => UnderWay | undefined,
): void {
  const told = new WeakSet<Duplex>();
  const end = (socket: Duplex, status: number, text: string): void => {
    const answer = underWay(socket);
    const isTaken = answer !== undefined && answer.headersSent && !answer.writableEnded;
    if (!socket.writable || isTaken) {
      socket.destroy();
      return;
    }
    told.add(socket);
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    timer.unref();
    socket.on("error", () => undefined).once("close", () => clearTimeout(timer));
    socket.end(replyText(status, text));
  };
  server.on("clientError", (error: NodeJS.ErrnoException & { readonly reason?: string }, socket: Duplex) => {
    // The parser complains of whatever comes after, too.
    if (told.has(socket)) return;
    const known = SAID[error.code ?? ""];
    if (known !== undefined) end(socket, ...known);
    else if (error.code?.startsWith("HPE_") === true)
      end(socket, 400, `This is no HTTP request that can be read: ${error.reason ?? error.code}.`);
    else socket.destroy();
  });
  server.on("connect", (_request: IncomingMessage, socket: Duplex) => {
    end(socket, 405, "This server connects nobody to others.");
  });
}

function replyText(status: number, text: string): string {
  const body = JSON.stringify({ detail: text });
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
    "",
    body,
  ].join("\r\n");
}
