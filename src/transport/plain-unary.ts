// Unary calls as nearly everybody sends them, over Connect and over gRPC on HTTP/2: one message that is not packed, answered without
// what connect-node sets up for streams, at a quarter of its cost. Whatever is out of the ordinary, and whatever cannot be read, goes
// on to connect-node as if nobody had looked at it.
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { createMethodSerializationLookup } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  errorToJsonBytes,
  parseTimeout as connectTimeout,
} from "@connectrpc/connect/protocol-connect";
import { parseTimeout as grpcTimeout, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { RefusedError } from "../domain/refusal.ts";
import type { Refusal } from "../domain/refusal.ts";
import { callInfo } from "./call-info.ts";
import { closeAfterwards, isGone } from "./gone.ts";
import { COMPRESS_FROM_BYTES, LARGEST_TIMEOUT_MS, MESSAGE_LIMIT_BYTES, answerTooLarge } from "./limits.ts";
import { REQUEST_MS, tooSlow } from "./patience.ts";
import { connectError, internalConnectError } from "./refusals.ts";
import type { CallInfo, Route } from "./route.ts";
import type { TurnAway } from "./turn-away.ts";

type UnaryRoute = Extract<Route, { readonly kind: "unary" }>;

/** Takes the request, or leaves it alone: then nothing of it has been read. `rest` goes on with one that was read in vain. */
export type TryPlain = (
  request: IncomingMessage,
  response: ServerResponse,
  rest: (body: AsyncIterable<Uint8Array>) => void,
) => boolean;

/** How a protocol is spoken; by content type. */
interface Speech {
  readonly isGrpc: boolean;
  readonly isBinary: boolean;
}

const SPEECHES: ReadonlyMap<string, Speech> = new Map([
  ["application/proto", { isGrpc: false, isBinary: true }],
  ["application/json", { isGrpc: false, isBinary: false }],
  ["application/grpc", { isGrpc: true, isBinary: true }],
  ["application/grpc+proto", { isGrpc: true, isBinary: true }],
]);

/** Nothing is this large: what is, is refused by name. */
const NEVER = 0xffffffff;
/** Flags, and the length of what follows. */
const ENVELOPE_HEAD = 5;
const PACKED = 1;
const pack = promisify(gzip);
/** Of a manifest of 10,000 artifacts: half the time of the usual level, and 4 % more to send. */
const FAST = { level: 1 };

export interface PlainOptions {
  readonly turnAway: TurnAway;
  readonly onBug: (where: string, error: unknown) => void;
  /** How long a body may take to come. */
  readonly patienceMs?: number;
}

export function plainUnary(route: UnaryRoute, { turnAway, onBug, patienceMs = REQUEST_MS }: PlainOptions): TryPlain {
  const lookup = createMethodSerializationLookup(
    route.method,
    undefined,
    { ignoreUnknownFields: false },
    { readMaxBytes: MESSAGE_LIMIT_BYTES, writeMaxBytes: NEVER },
  );

  const answer = async (message: Message, info: CallInfo, { isBinary }: Speech): Promise<Uint8Array | ConnectError> => {
    try {
      const decision = await route.handle(message, info);
      if (!decision.ok) return connectError(decision.refusal);
      const bytes = lookup.getO(isBinary).serialize(decision.value);
      return bytes.length <= MESSAGE_LIMIT_BYTES ? bytes : connectError(answerTooLarge(bytes.length));
    } catch (error) {
      if (error instanceof RefusedError) return connectError(error.refusal);
      // Called off, or out of time.
      if (info.signal.aborted) return ConnectError.from(info.signal.reason);
      onBug(route.method.name, error);
      return internalConnectError();
    }
  };

  /** Who sent what cannot be read is looked up, and it is counted, as on every surface. */
  const refused = async (info: CallInfo, refusal: Refusal): Promise<ConnectError> =>
    connectError(await turnAway(route.method, info, refusal));

  return (request, response, rest) => {
    const { headers } = request;
    const speech = SPEECHES.get(headers["content-type"] ?? "");
    if (speech === undefined || request.method !== "POST" || isPacked(request, speech)) return false;
    if (speech.isGrpc ? request.httpVersionMajor !== 2 : isOfAnotherVersion(request)) return false;
    const timeoutMs = timeoutOf(request, speech);
    if (timeoutMs === undefined) return false;
    const gone = new AbortController();
    const timer =
      timeoutMs === null
        ? undefined
        : setTimeout(() => {
            gone.abort(outOfTime());
          }, timeoutMs);
    response.on("close", () => {
      clearTimeout(timer);
      // Of a call that was answered nothing is left to be called off, and an error for each would be made for nobody.
      if (!response.writableEnded) gone.abort(new ConnectError("the caller is gone", Code.Canceled));
    });
    const address = request.socket.remoteAddress ?? "";
    const info = (): CallInfo => callInfo((name) => first(headers[name]), address, gone.signal);
    const reply = (answered: Promise<Uint8Array | ConnectError>): void => {
      answered
        .then((value) => send(request, response, speech, value))
        .catch((error: unknown) => {
          onBug(route.method.name, error);
          response.destroy();
        });
    };
    const isBounded = timeoutMs !== null && timeoutMs <= patienceMs;
    readAll(request, isBounded ? timeoutMs : patienceMs, (chunks, came) => {
      if (came === "late") {
        closeAfterwards(response);
        reply(isBounded ? Promise.resolve(outOfTime()) : refused(info(), tooSlow(patienceMs)));
        return;
      }
      const message = came === "whole" ? messageIn(chunks, speech) : undefined;
      if (message === undefined) {
        clearTimeout(timer);
        rest(again(chunks, came === "whole" ? undefined : request));
        return;
      }
      reply(answer(message, info(), speech));
    });
    return true;
  };

  /** The message of a body; undefined when it cannot be read. */
  function messageIn(chunks: readonly Buffer[], { isGrpc, isBinary }: Speech): Message | undefined {
    const [only] = chunks;
    let bytes = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
    if (isGrpc) {
      if (bytes.length < ENVELOPE_HEAD || bytes[0] !== 0 || bytes.readUInt32BE(1) !== bytes.length - ENVELOPE_HEAD)
        return undefined;
      bytes = bytes.subarray(ENVELOPE_HEAD);
    }
    try {
      return lookup.getI(isBinary).parse(bytes);
    } catch {
      return undefined;
    }
  }
}

function isPacked({ headers }: IncomingMessage, { isGrpc }: Speech): boolean {
  const encoding = headers[isGrpc ? "grpc-encoding" : "content-encoding"];
  return encoding !== undefined && encoding !== "identity";
}

/** What another version of Connect is, is not known here; connect-node says so. */
function isOfAnotherVersion({ headers }: IncomingMessage): boolean {
  const said = headers["connect-protocol-version"];
  return said !== undefined && said !== "1";
}

const outOfTime = (): ConnectError => new ConnectError("the operation timed out", Code.DeadlineExceeded);

/** Null for no bound; undefined for one that is not plain. */
function timeoutOf({ headers }: IncomingMessage, { isGrpc }: Speech): number | null | undefined {
  const said = first(headers[isGrpc ? "grpc-timeout" : "connect-timeout-ms"]);
  if (said === undefined) return null;
  const { timeoutMs, error } = (isGrpc ? grpcTimeout : connectTimeout)(said, LARGEST_TIMEOUT_MS);
  return error === undefined ? timeoutMs : undefined;
}

/** What came of a body: all of it; more than a message may have, so that the rest is still to be read; too little in its time. */
type Came = "whole" | "more" | "late";

/** Of a body whose sender is gone nothing is said: over HTTP/2 a cut ends it as if it were whole. */
function readAll(
  request: IncomingMessage,
  withinMs: number,
  then: (chunks: readonly Buffer[], came: Came) => void,
): void {
  const chunks: Buffer[] = [];
  let size = 0;
  const stop = (): void => {
    clearTimeout(timer);
    request.off("data", take).off("end", end).off("close", stop);
  };
  const timer = setTimeout(() => {
    stop();
    request.resume();
    then([], "late");
  }, withinMs);
  const take = (chunk: Buffer): void => {
    chunks.push(chunk);
    size += chunk.length;
    if (size <= MESSAGE_LIMIT_BYTES + ENVELOPE_HEAD) return;
    stop();
    request.pause();
    then(chunks, "more");
  };
  const end = (): void => {
    stop();
    if (!request.aborted) then(chunks, "whole");
  };
  request
    .on("data", take)
    .on("end", end)
    .on("close", stop)
    // Nobody is left to be answered; the response hears of it, too.
    .on("error", () => undefined);
}

async function* again(chunks: readonly Uint8Array[], rest?: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks;
  if (rest !== undefined) yield* rest;
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  speech: Speech,
  answered: Uint8Array | ConnectError,
): Promise<void> {
  if (isGone(response)) return;
  if (speech.isGrpc) await sendGrpc(request, response, answered);
  else await sendConnect(request, response, speech, answered);
}

async function sendConnect(
  { headers }: IncomingMessage,
  response: ServerResponse,
  { isBinary }: Speech,
  answered: Uint8Array | ConnectError,
): Promise<void> {
  const isError = answered instanceof ConnectError;
  const type = isBinary && !isError ? "application/proto" : "application/json";
  const plain = isError ? errorToJsonBytes(answered, undefined) : answered;
  const isLarge = plain.length >= COMPRESS_FROM_BYTES && takesGzip(first(headers["accept-encoding"]));
  const body = isLarge ? await pack(plain, FAST) : plain;
  response.writeHead(isError ? codeToHttpStatus(answered.code) : 200, {
    "content-type": type,
    "content-length": body.length,
    ...(isLarge ? { "content-encoding": "gzip" } : {}),
  });
  response.end(body);
}

async function sendGrpc(
  { headers }: IncomingMessage,
  response: ServerResponse,
  answered: Uint8Array | ConnectError,
): Promise<void> {
  if (answered instanceof ConnectError) {
    const trailer = new Headers();
    setTrailerStatus(trailer, answered);
    response.writeHead(200, { "content-type": GRPC });
    response.addTrailers(Object.fromEntries(trailer));
    response.end();
    return;
  }
  const isLarge = answered.length >= COMPRESS_FROM_BYTES && takesGzip(first(headers["grpc-accept-encoding"]));
  const body = isLarge ? await pack(answered, FAST) : answered;
  const envelope = Buffer.allocUnsafe(ENVELOPE_HEAD + body.length);
  envelope[0] = isLarge ? PACKED : 0;
  envelope.writeUInt32BE(body.length, 1);
  envelope.set(body, ENVELOPE_HEAD);
  response.writeHead(200, { "content-type": GRPC, ...(isLarge ? { "grpc-encoding": "gzip" } : {}) });
  response.addTrailers({ "grpc-status": "0" });
  response.end(envelope);
}

const GRPC = "application/grpc+proto";

/** A quality of nothing says that it is not taken. */
const GZIP = /^\s*gzip\s*(?:;\s*q\s*=\s*(?!0(?:\.0*)?\s*$)[\d.]+\s*)?$/i;

function takesGzip(accepts: string | undefined): boolean {
  return accepts?.split(",").some((one) => GZIP.test(one)) ?? false;
}

function first(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === "string" ? header : header?.[0];
}
