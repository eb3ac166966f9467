// The wide port: gRPC, gRPC-Web, Connect and REST over HTTP/1.1, h2c and TLS, on one port. Not here: what routes do.
import { once } from "node:events";
import { createServer as createHttp1 } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createSecureServer, createServer as createHttp2 } from "node:http2";
import type { Http2Server, ServerHttp2Session } from "node:http2";
import type { Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { DescMessage, DescMethod, Message, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { ConnectError, createConnectRouter, createContextKey, createContextValues } from "@connectrpc/connect";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { connectNodeAdapter } from "@connectrpc/connect-node";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { RefusedError } from "../domain/refusal.ts";
import { callInfo } from "./call-info.ts";
import { JSON_HEADERS } from "./conductor/codes.ts";
import { createConductor } from "./conductor/serve.ts";
import { isConductorPath } from "./conductor/router.ts";
import { stopReply } from "./conductor/stop.ts";
import { closeAfterwards } from "./gone.ts";
import { onlyHost } from "./guard.ts";
import type { Guard } from "./guard.ts";
import { COMPRESS_FROM_BYTES, MESSAGE_LIMIT_BYTES, WINDOW_BYTES } from "./limits.ts";
import { FIRST_WORDS_MS, LOOK_MS, MOST_CONNECTIONS, REQUEST_MS, expectStream, inTime, tooSlow } from "./patience.ts";
import { methodPaths } from "./operation-table.ts";
import { answerMisread } from "./misread.ts";
import type { UnderWay } from "./misread.ts";
import { plainUnary } from "./plain-unary.ts";
import { connectError, internalConnectError } from "./refusals.ts";
import type { CallInfo, Route } from "./route.ts";
import { sniffingServer } from "./sniff.ts";
import type { TurnAway } from "./turn-away.ts";
import { mended, unreadable } from "./unreadable.ts";

/** A request listener of HTTP/1.1 and HTTP/2 alike. */
type Serve = ReturnType<typeof connectNodeAdapter>;

export interface WidePortOptions {
  readonly routes: readonly Route[];
  readonly guard: Guard;
  readonly ready: () => boolean;
  /** Answers a message that could not be read: who sent it is looked up, and it is counted. */
  readonly turnAway: TurnAway;
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
const PLAIN = { "content-type": "text/plain; charset=utf-8" };
const NOTHING = JSON.stringify({ detail: "Not Found: /docs tells what there is." });
/** Nothing is this large: no answer on a stream is compressed, which would cost a quarter of its throughput. */
const NEVER = 0xffffffff;

export function createWidePort(options: WidePortOptions): WidePort {
  const { guard, ready, tls } = options;
  const serve = connectHandler(options);
  const conductor = createConductor(options);
  /** What is answered on a connection of HTTP/1.1. */
  const underWay = new WeakMap<Duplex, UnderWay>();
  const handle: Serve = (request, response) => {
    const { headers, method = "" } = request;
    if (request.httpVersionMajor === 1) underWay.set(request.socket, response);
    const verdict = guard({
      method,
      host: onlyHost(request.rawHeaders),
      origin: text(headers.origin),
      site: text(headers["sec-fetch-site"]),
      contentType: text(headers["content-type"]),
    });
    const isRest = isConductorPath(request.url ?? "");
    if (verdict.kind === "stop") {
      const { body, headers: said } = isRest
        ? stopReply(verdict.status, verdict.text)
        : { body: `${verdict.text}\n`, headers: PLAIN };
      const length = Buffer.byteLength(body);
      response.writeHead(verdict.status, { ...said, "content-length": length, connection: "close" });
      response.end(body);
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
    } else if (isRest) {
      conductor(request as IncomingMessage, response as ServerResponse);
    } else {
      serve(request, response);
    }
  };

  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const opened: Server[] = [];
  const settings = { initialWindowSize: WINDOW_BYTES };
  const patience = {
    headersTimeout: FIRST_WORDS_MS,
    requestTimeout: REQUEST_MS,
    connectionsCheckingInterval: LOOK_MS,
    // The guard looks at it, and says what it lacks.
    requireHostHeader: false,
  };
  const http1 = createHttp1(patience, handle);
  // It never listens itself, and would neither time slow requests out nor know its idle connections: both begin with this event.
  if (tls === null) http1.emit("listening");
  const http2: Http2Server = createHttp2({ settings, maxSessionMemory: 64 }, handle as never);
  const watch = (server: Server | Http2Server): void => {
    server.on("session", (session: ServerHttp2Session) => {
      sessions.add(session);
      session.setLocalWindowSize(4 * WINDOW_BYTES);
      expectStream(session);
      session.on("close", () => sessions.delete(session));
    });
    server.on("sessionError", () => undefined);
    answerMisread(server, (socket) => underWay.get(socket));
  };
  watch(http1);
  watch(http2);

  return {
    servers: () => {
      const server: Server =
        tls === null
          ? sniffingServer(http1, http2)
          : createSecureServer(
              {
                ...tls,
                ...patience,
                allowHTTP1: true,
                handshakeTimeout: FIRST_WORDS_MS,
                settings,
                maxSessionMemory: 64,
              },
              handle as never,
            );
      server.maxConnections = MOST_CONNECTIONS;
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

/** connect-node's handlers of all protocols, by path. */
function connectHandler({ routes, turnAway, onBug }: WidePortOptions): Serve {
  const router = createConnectRouter({
    acceptCompression: [compressionGzip, compressionBrotli],
    readMaxBytes: MESSAGE_LIMIT_BYTES,
    writeMaxBytes: MESSAGE_LIMIT_BYTES,
    compressMinBytes: COMPRESS_FROM_BYTES,
    // A limit that is spelt wrong would be no limit.
    jsonOptions: { ignoreUnknownFields: false },
  });
  for (const route of routes) mount(router, route, { turnAway, onBug });
  const handlers = new Map(
    router.handlers.flatMap((handler) => methodPaths(handler.method).map((path) => [path, handler] as const)),
  );
  const plain = new Map(
    routes.flatMap((route) =>
      route.kind === "unary" ? [[route.method as DescMethod, plainUnary(route, { turnAway, onBug })]] : [],
    ),
  );
  /** `body` stands for what was read already. */
  const serve = (
    handler: UniversalHandler,
    [request, response]: Parameters<Serve>,
    body?: AsyncIterable<Uint8Array>,
  ): void => {
    const values = createContextValues().set(addressKey, request.socket.remoteAddress ?? "");
    const whole = universalRequestFromNodeRequest(request, response, undefined, values);
    const came = body ?? (whole.body as AsyncIterable<Uint8Array>);
    // One message is soon there; streams go on for as long as they like.
    const isOne = handler.method.methodKind === "unary" || handler.method.methodKind === "server_streaming";
    const late = async (): Promise<ConnectError> => {
      closeAfterwards(response as ServerResponse);
      return connectError(await turnAway(handler.method, info(), tooSlow(REQUEST_MS)));
    };
    const asked = { ...whole, body: isOne ? inTime(came, REQUEST_MS, late) : came };
    const info = (): CallInfo => infoOf({ ...whole, requestHeader: whole.header, values });
    const refuse = async (error: ConnectError): Promise<ConnectError | undefined> => {
      const refusal = unreadable(error, handler.method);
      if (refusal === undefined) return undefined;
      return connectError(await turnAway(handler.method, info(), refusal));
    };
    handler(asked)
      .then((answer) => mended(answer, refuse))
      .then((answer) => universalResponseToNodeResponse(answer, response))
      // The other end is gone, or broke what was agreed: nobody is left to be answered.
      .catch((error: unknown) => {
        if (!(error instanceof ConnectError)) onBug(handler.method.name, error);
        response.destroy();
      });
  };
  return (...call) => {
    const [request, response] = call;
    const handler = handlers.get((request.url ?? "").split("?", 1)[0] ?? "");
    if (handler === undefined) {
      // Where rpcs are called from code, plain text; people and their tools hear where to look.
      const isCall = request.method === "POST";
      response.writeHead(404, isCall ? PLAIN : JSON_HEADERS);
      response.end(isCall ? "There is nothing here.\n" : NOTHING);
      return;
    }
    const rest = (body: AsyncIterable<Uint8Array>): void => serve(handler, call, body);
    const tryPlain = plain.get(handler.method);
    if (tryPlain?.(request as IncomingMessage, response as ServerResponse, rest) !== true) serve(handler, call);
  };
}

function text(header: string | readonly string[] | undefined): string {
  return typeof header === "string" ? header : (header?.[0] ?? "");
}

function mount(
  router: ConnectRouter,
  route: Route,
  { turnAway, onBug }: Pick<WidePortOptions, "turnAway" | "onBug">,
): void {
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
        (requests: AsyncIterable<MessageShape<DescMessage>>, context) => {
          const info = infoOf(context);
          return answers(route.handle(readable(requests, route.method, info, turnAway), info), route.method, onBug);
        },
        { compressMinBytes: NEVER },
      );
      return;
  }
}

/** What a stream says, until something of it cannot be read: its route hears why. */
async function* readable(
  requests: AsyncIterable<Message>,
  method: DescMethod,
  info: CallInfo,
  turnAway: TurnAway,
): AsyncGenerator<Message> {
  try {
    yield* requests;
  } catch (error) {
    const refusal = error instanceof ConnectError ? unreadable(error, method) : undefined;
    throw refusal === undefined ? error : new RefusedError(await turnAway(method, info, refusal));
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

function infoOf(context: Pick<HandlerContext, "requestHeader" | "values" | "signal">): CallInfo {
  return callInfo(
    (name) => context.requestHeader.get(name) ?? undefined,
    context.values.get(addressKey),
    context.signal,
  );
}
