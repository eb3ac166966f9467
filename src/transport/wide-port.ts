// The wide port: gRPC, gRPC-Web and Connect over HTTP/1.1, h2c and TLS, on one port, through connect-node. Not here: what routes do.
import { once } from "node:events";
import { createServer as createHttp1 } from "node:http";
import { createSecureServer, createServer as createHttp2 } from "node:http2";
import type { Http2Server, ServerHttp2Session } from "node:http2";
import type { Server, Socket } from "node:net";
import type { DescMessage, DescMethod, Message, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { ConnectError, createContextKey, createContextValues } from "@connectrpc/connect";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { RefusedError } from "../domain/refusal.ts";
import { callInfo } from "./call-info.ts";
import type { Guard } from "./guard.ts";
import { MESSAGE_LIMIT_BYTES, WINDOW_BYTES } from "./limits.ts";
import { connectError, internalConnectError } from "./refusals.ts";
import type { CallInfo, Route } from "./route.ts";
import { sniffingServer } from "./sniff.ts";

export interface WidePortOptions {
  readonly routes: readonly Route[];
  readonly guard: Guard;
  readonly ready: () => boolean;
  /** Bugs; their text goes nowhere else. */
  readonly onBug: (where: string, error: unknown) => void;
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

export interface WidePort {
  /** Listens; `localhost` names ::1 as well as 127.0.0.1, see listen.ts. */
  readonly servers: () => Server;
  /** No new connections or calls. */
  close(): void;
  /** Resolves when the last connection is gone. */
  closed(): Promise<void>;
  /** Cuts every connection. */
  destroy(): void;
}

const addressKey = createContextKey("", { description: "address of the other end" });
/** Nothing is this large: no answer on a stream is compressed, which would cost a quarter of its throughput. */
const NEVER = 0xffffffff;

export function createWidePort({ routes, guard, ready, onBug, tls }: WidePortOptions): WidePort {
  const serve = connectNodeAdapter({
    routes: (router) => {
      for (const route of routes) mount(router, route, onBug);
    },
    readMaxBytes: MESSAGE_LIMIT_BYTES,
    writeMaxBytes: MESSAGE_LIMIT_BYTES,
    compressMinBytes: 16_384,
    contextValues: (request) => createContextValues().set(addressKey, request.socket.remoteAddress ?? ""),
    fallback: (_, response) => {
      response.writeHead(404, { "content-type": "text/plain; charset=utf-8" });
      response.end("There is nothing here.\n");
    },
  });
  type Serve = typeof serve;
  const handle: Serve = (request, response) => {
    const { headers, method = "" } = request;
    const verdict = guard({
      method,
      host: text(headers[":authority"] ?? headers.host),
      origin: text(headers.origin),
      contentType: text(headers["content-type"]),
    });
    if (verdict.kind === "stop") {
      response.writeHead(verdict.status, { "content-type": "text/plain; charset=utf-8", connection: "close" });
      response.end(`${verdict.text}\n`);
      return;
    }
    for (const [name, value] of Object.entries(verdict.headers)) response.setHeader(name, value);
    if (verdict.kind === "preflight") {
      response.writeHead(204);
      response.end();
    } else if (request.url === "/healthz" || request.url === "/readyz") {
      const well = request.url === "/healthz" || ready();
      response.writeHead(well ? 200 : 503, {
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "no-store",
      });
      response.end(well ? "ok\n" : "not ready\n");
    } else {
      serve(request, response);
    }
  };

  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const opened: Server[] = [];
  const settings = { initialWindowSize: WINDOW_BYTES };
  const http1 = createHttp1(handle);
  // It never listens itself, and would neither time slow requests out nor know its idle connections: both begin with this event.
  if (tls === null) http1.emit("listening");
  const http2: Http2Server = createHttp2({ settings, maxSessionMemory: 64 }, handle as never);
  const watch = (server: Server | Http2Server): void => {
    server.on("session", (session: ServerHttp2Session) => {
      sessions.add(session);
      session.setLocalWindowSize(4 * WINDOW_BYTES);
      session.on("close", () => sessions.delete(session));
    });
    server.on("sessionError", () => undefined);
    server.on("clientError", (_error: Error, socket: Socket) => void socket.destroy());
  };
  watch(http1);
  watch(http2);

  return {
    servers: () => {
      const server: Server =
        tls === null
          ? sniffingServer(http1, http2)
          : createSecureServer({ ...tls, allowHTTP1: true, settings, maxSessionMemory: 64 }, handle as never);
      if (tls !== null) watch(server);
      server.on("connection", (socket: Socket) => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
      });
      opened.push(server);
      return server;
    },
    close() {
      for (const server of opened) server.close();
      for (const session of sessions) session.close();
      http1.closeIdleConnections();
      http1.close();
    },
    async closed() {
      await Promise.all([...sockets].filter((socket) => !socket.destroyed).map((socket) => once(socket, "close")));
    },
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function text(header: string | readonly string[] | undefined): string {
  return typeof header === "string" ? header : (header?.[0] ?? "");
}

function mount(router: ConnectRouter, route: Route, onBug: WidePortOptions["onBug"]): void {
  switch (route.kind) {
    case "unary":
      router.rpc(route.method, async (request: MessageShape<DescMessage>, context) => {
        const decision = await route.handle(request, infoOf(context)).catch((error: unknown) => {
          throw wireError(error, route.method, onBug);
        });
        if (!decision.ok) throw connectError(decision.refusal);
        return decision.value;
      });
      return;
    case "server":
      router.rpc(
        route.method,
        (request: MessageShape<DescMessage>, context) =>
          answers(route.handle(request, infoOf(context)), route.method, onBug),
        { compressMinBytes: NEVER },
      );
      return;
    case "bidi":
      router.rpc(
        route.method,
        (requests: AsyncIterable<MessageShape<DescMessage>>, context) =>
          answers(route.handle(requests, infoOf(context)), route.method, onBug),
        { compressMinBytes: NEVER },
      );
      return;
  }
}

async function* answers(
  messages: AsyncIterable<Message>,
  method: DescMethod,
  onBug: WidePortOptions["onBug"],
): AsyncGenerator<MessageInitShape<DescMessage>> {
  try {
    for await (const message of messages) yield message;
  } catch (error) {
    throw wireError(error, method, onBug);
  }
}

function wireError(error: unknown, method: DescMethod, onBug: WidePortOptions["onBug"]): ConnectError {
  if (error instanceof RefusedError) return connectError(error.refusal);
  // What connect-node itself throws: a broken stream, a message that is too large.
  if (error instanceof ConnectError) return error;
  onBug(method.name, error);
  return internalConnectError();
}

function infoOf(context: HandlerContext): CallInfo {
  return callInfo(
    (name) => context.requestHeader.get(name) ?? undefined,
    context.values.get(addressKey),
    context.signal,
  );
}
