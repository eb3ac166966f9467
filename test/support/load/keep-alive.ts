// The smallest HTTP/1.1 client there is: requests one after the other on connections that stay, so that what is measured is the
// server and not its client. Not here: what is asked.
import { connect } from "node:net";
import type { Socket } from "node:net";

export interface Answered {
  readonly status: number;
  readonly body: string;
}

export interface KeepAlive {
  /** One at a time. */
  ask(method: string, path: string, body?: string): Promise<Answered>;
  close(): void;
}

const HEAD_END = Buffer.from("\r\n\r\n");

export function keepAlive(port: number, key: string): KeepAlive {
  const socket: Socket = connect({ host: "127.0.0.1", port, noDelay: true });
  let pending: { readonly resolve: (answer: Answered) => void; readonly reject: (trouble: Error) => void } | undefined;
  /** What came so far, put together only once it is all there: an answer of megabytes comes in a hundred pieces. */
  let pieces: Buffer[] = [];
  let size = 0;
  let wanted = 0;
  const fail = (trouble: Error): void => {
    pending?.reject(trouble);
    pending = undefined;
  };
  socket.on("error", fail).on("close", () => {
    fail(new Error("the connection was closed"));
  });
  socket.on("data", (chunk: Buffer) => {
    pieces.push(chunk);
    size += chunk.length;
    if (size < wanted) return;
    const held = pieces.length === 1 ? chunk : Buffer.concat(pieces, size);
    pieces = [held];
    const headEnd = held.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = held.toString("latin1", 0, headEnd);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? "0");
    wanted = headEnd + HEAD_END.length + length;
    if (size < wanted) return;
    const body = held.toString("utf8", wanted - length, wanted);
    pieces = size === wanted ? [] : [held.subarray(wanted)];
    size -= wanted;
    wanted = 0;
    const answered = pending;
    pending = undefined;
    answered?.resolve({ status: Number(head.slice(9, 12)), body });
  });
  return {
    ask: (method, path, body) =>
      new Promise((resolve, reject) => {
        pending = { resolve, reject };
        const said =
          body === undefined
            ? ""
            : `content-type: application/json\r\ncontent-length: ${String(Buffer.byteLength(body))}\r\n`;
        socket.write(
          `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1:${String(port)}\r\nauthorization: Bearer ${key}\r\n${said}\r\n${body ?? ""}`,
        );
      }),
    close: () => {
      socket.destroy();
    },
  };
}
