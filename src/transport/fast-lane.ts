// The fast lane: native gRPC on grpc-js for services and executors. The same routes as the wide port, at a fifth of the cost per call.
import type { EventEmitter } from "node:events";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMethod, Message } from "@bufbuild/protobuf";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type {
  Metadata,
  ServerDuplexStream,
  ServerErrorResponse,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { RefusedError, invalid, refused } from "../domain/refusal.ts";
import type { Decision, Refusal } from "../domain/refusal.ts";
import { callInfo } from "./call-info.ts";
import type { Guard } from "./guard.ts";
import { HARD_LIMIT_BYTES, MESSAGE_LIMIT_BYTES, WINDOW_BYTES, answerTooLarge, tooLarge } from "./limits.ts";
import { grpcStatus, internalGrpcStatus } from "./refusals.ts";
import { methodPaths } from "./operation-table.ts";
import { IDLE_MS } from "./patience.ts";
import type { CallInfo, Route } from "./route.ts";
import type { TurnAway } from "./turn-away.ts";

export interface FastLaneOptions {
  readonly routes: readonly Route[];
  readonly guard: Guard;
  /** Answers a message that could not be read: who sent it is looked up, and it is counted. */
  readonly turnAway: TurnAway;
  readonly onBug: (where: string, error: unknown) => void;
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

export interface FastLane {
  /** Binds `host:port` (0 for a free one); gives the port. */
  bind(host: string, port: number): Promise<number>;
  /** No new calls; resolves when the open ones have ended. */
  close(): Promise<void>;
  destroy(): void;
}

type AnyCall =
  ServerUnaryCall<Buffer, Buffer> | ServerWritableStream<Buffer, Message> | ServerDuplexStream<Buffer, Message>;

export function createFastLane(options: FastLaneOptions): FastLane {
  const { tls } = options;
  const server = new Server({
    "grpc.max_receive_message_length": HARD_LIMIT_BYTES,
    "grpc.max_send_message_length": MESSAGE_LIMIT_BYTES,
    "grpc-node.flow_control_window": WINDOW_BYTES,
    "grpc-node.max_session_memory": 64,
    "grpc.max_connection_idle_ms": IDLE_MS,
  });
  const credentials =
    tls === null
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }]);
  for (const routes of Map.groupBy(options.routes, (route) => route.method.parent.typeName).values()) {
    const implementation = implementationOf(routes, options);
    // As often as it has names.
    for (let name = 0; name < Math.max(...routes.map(({ method }) => methodPaths(method).length)); name += 1)
      server.addService(definitionOf(routes, name), implementation);
  }
  return {
    bind: (host, port) =>
      new Promise((resolve, reject) => {
        server.bindAsync(`${host.includes(":") ? `[${host}]` : host}:${port}`, credentials, (error, bound) =>
          error === null ? resolve(bound) : reject(error),
        );
      }),
    close: () => new Promise((resolve) => server.tryShutdown(() => resolve())),
    destroy: () => server.forceShutdown(),
  };
}

/** At the paths of the service's n-th name. */
function definitionOf(routes: readonly Route[], name: number): ServiceDefinition {
  return Object.fromEntries(
    routes.map((route) => {
      const { kind, method } = route;
      const encode = route.kind === "server" ? route.encode : undefined;
      return [
        method.name,
        {
          path: methodPaths(method)[name] ?? "",
          requestStream: kind === "bidi",
          responseStream: kind !== "unary",
          // Requests stay bytes until the handler reads them: only there can an unreadable one be refused by name.
          requestSerialize: (bytes: Buffer) => bytes,
          requestDeserialize: (bytes: Buffer) => bytes,
          responseSerialize: (message: Message | Buffer) =>
            message instanceof Uint8Array ? message : asBuffer(encode?.(message) ?? toBinary(method.output, message)),
          responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
        },
      ];
    }),
  );
}

function implementationOf(routes: readonly Route[], options: FastLaneOptions): UntypedServiceImplementation {
  const entries = routes.map((route) => {
    switch (route.kind) {
      case "unary":
        return [
          route.method.name,
          (
            call: ServerUnaryCall<Buffer, Buffer>,
            callback: (error: ServerErrorResponse | null, message?: Buffer) => void,
          ) => {
            const info = infoOf(call);
            const answer = async (): Promise<void> => {
              const request = await readable(options, route.method, call, call.request, info);
              const decision = request.ok ? await route.handle(request.value, info) : request;
              if (!decision.ok) {
                callback(grpcStatus(decision.refusal));
                return;
              }
              // Written here, where one that is too large can be refused by name.
              const bytes = asBuffer(toBinary(route.method.output, decision.value));
              if (bytes.length <= MESSAGE_LIMIT_BYTES) callback(null, bytes);
              else callback(grpcStatus(answerTooLarge(bytes.length)));
            };
            answer().catch((error: unknown) => callback(statusOf(error, route.method, options)));
          },
        ] as const;
      case "server":
        return [
          route.method.name,
          (call: ServerWritableStream<Buffer, Message>) => {
            const info = infoOf(call);
            const stream = async function* (): AsyncGenerator<Message> {
              const request = await readable(options, route.method, call, call.request, info);
              if (!request.ok) throw new RefusedError(request.refusal);
              yield* route.handle(request.value, info);
            };
            void send(call, stream(), route.method, options, route.oneByOne);
          },
        ] as const;
      case "bidi":
        return [
          route.method.name,
          (call: ServerDuplexStream<Buffer, Message>) => {
            const info = infoOf(call);
            const requests = async function* (): AsyncGenerator<Message> {
              // Not destroyed when it is left early: the call's answer is still to be sent.
              const messages: AsyncIterable<Buffer> = call.iterator({ destroyOnReturn: false });
              for await (const bytes of messages) {
                const request = await readable(options, route.method, call, bytes, info);
                if (!request.ok) throw new RefusedError(request.refusal);
                yield request.value;
              }
            };
            void send(call, route.handle(requests(), info), route.method, options);
          },
        ] as const;
    }
  });
  return Object.fromEntries(entries) as UntypedServiceImplementation;
}

/** A request as a message, or why it cannot be read. */
async function readable(
  options: FastLaneOptions,
  method: DescMethod,
  call: AnyCall,
  bytes: Buffer,
  info: CallInfo,
): Promise<Decision<Message>> {
  const refuse = async (no: Refusal): Promise<Decision<Message>> => ({
    ok: false,
    refusal: await options.turnAway(method, info, no),
  });
  const origin = call.metadata.get("origin")[0];
  const verdict = options.guard({
    method: "POST",
    host: call.getHost(),
    origin: typeof origin === "string" ? origin : "",
    site: "",
    contentType: "",
  });
  if (verdict.kind === "stop") return refused("INVALID_REQUEST", verdict.text, { rule: "http.host" });
  if (bytes.length > MESSAGE_LIMIT_BYTES) return refuse(tooLarge(bytes.length));
  try {
    return { ok: true, value: fromBinary(method.input, bytes) };
  } catch (error) {
    const description = error instanceof Error ? error.message : "cannot be read";
    return refuse(
      invalid({
        field: method.input.name,
        description: `is not a readable message: ${description}`,
        rule: "wire.format",
      }).refusal,
    );
  }
}

/** Sends what a stream says, no faster than its reader takes it. */
async function send(
  call: ServerWritableStream<Buffer, Message> | ServerDuplexStream<Buffer, Message>,
  messages: AsyncIterable<Message>,
  method: DescMethod,
  options: FastLaneOptions,
  oneByOne = false,
): Promise<void> {
  // A stream that was cut emits an error besides its cancellation.
  call.on("error", () => undefined);
  try {
    for await (const message of messages) {
      if (call.cancelled) break;
      if (oneByOne) await written(call, message);
      else if (!call.write(message)) await drained(call);
    }
    call.end();
  } catch (error) {
    // An emitted error becomes the call's status; a destroyed stream would have none.
    (call as EventEmitter).emit("error", statusOf(error, method, options));
  }
}

type Answering = ServerWritableStream<Buffer, Message> | ServerDuplexStream<Buffer, Message>;

const ENDS = ["drain", "cancelled", "close", "error"] as const;

function drained(call: Answering): Promise<void> {
  return settled(call, () => undefined);
}

/** Until the reader's window has taken it: the library itself would let sixteen of them wait. */
function written(call: Answering, message: Message): Promise<void> {
  return settled(call, (done) => call.write(message, done));
}

function settled(call: Answering, begin: (done: () => void) => void): Promise<void> {
  const stream: EventEmitter = call;
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ENDS) stream.off(event, done);
      resolve();
    };
    for (const event of ENDS) stream.on(event, done);
    if (call.cancelled) done();
    else begin(done);
  });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function statusOf(error: unknown, method: DescMethod, { onBug }: FastLaneOptions): ServerErrorResponse {
  if (error instanceof RefusedError) return grpcStatus(error.refusal);
  if (error !== OVER) onBug(method.name, error);
  return internalGrpcStatus();
}

/** Why work for a call stops when its caller has gone. Made once: the signal fires after every call, answered ones too, and would make an error each time. */
const OVER = new Error("the call is over");

function infoOf(call: AnyCall): CallInfo {
  const gone = new AbortController();
  (call as EventEmitter).on("cancelled", () => gone.abort(OVER));
  return callInfo((name) => first(call.metadata, name), addressOf(call.getPeer()), gone.signal);
}

function first(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return typeof value === "string" ? value : undefined;
}

/** `127.0.0.1:5000` or `[::1]:5000` without the port. */
function addressOf(peer: string): string {
  const colon = peer.lastIndexOf(":");
  const host = colon < 0 ? peer : peer.slice(0, colon);
  return host.startsWith("[") ? host.slice(1, -1) : host;
}
