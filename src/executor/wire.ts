// The stream itself: a native gRPC call with our generated messages. The fast lane and the wide port both take it.
// Not here: what is said over it.
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Client, Metadata, credentials, status } from "@grpc/grpc-js";
import type { ChannelCredentials, ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { AttachRequestSchema, AttachResponseSchema } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import type { AttachRequest, AttachResponse } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import { RefusalReasonSchema, RefusalSchema } from "../../gen/maestro/v1/refusal_pb.ts";
import type { Refusal } from "../../gen/maestro/v1/refusal_pb.ts";
import { bearerOf } from "./bearer.ts";
import { RefusedByServer } from "./errors.ts";

/** Where a server is, as `http://host:port`, `https://host:port` or `host:port`. */
export interface Address {
  readonly target: string;
  readonly secure: boolean;
  readonly loopback: boolean;
}

/** Throws a TypeError on anything else. */
export function parseAddress(text: string): Address {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.parse(withScheme);
  if (
    url === null ||
    !["http:", "https:"].includes(url.protocol) ||
    url.hostname === "" ||
    !["", "/"].includes(url.pathname)
  ) {
    throw new TypeError(
      `"${text}" is not the address of a server: write http://host:port, https://host:port or host:port`,
    );
  }
  const secure = url.protocol === "https:";
  const port = url.port === "" ? (secure ? "443" : "80") : url.port;
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  return { target: `${url.hostname}:${port}`, secure, loopback };
}

export interface Wire {
  /** Bytes wait to be sent: the server or the network is slow. */
  readonly congested: boolean;
  send(message: AttachRequest): void;
  /** Half-closes: nothing more will be said. */
  finish(): void;
  /** Ends at once. */
  close(): void;
}

export interface WireEvents {
  message(message: AttachResponse): void;
  /** Called once, last. The error is undefined when the server ended the stream in order. */
  ended(error: unknown): void;
}

const PATH = "/maestro.v1.DispatchService/Attach";

/** Opens a stream. A channel of its own each time: a shared one would add its own backoff to ours. */
export function openWire(address: Address, apiKey: string | undefined, events: WireEvents): Wire {
  const client = new Client(address.target, credentialsFor(address), {
    "grpc.use_local_subchannel_pool": 1,
    // A proxy from the environment would be asked for this very machine, too.
    ...(address.loopback && { "grpc.enable_http_proxy": 0 }),
  });
  const metadata = new Metadata();
  if (apiKey !== undefined) metadata.set("authorization", bearerOf(apiKey));
  const call: ClientDuplexStream<AttachRequest, AttachResponse> = client.makeBidiStreamRequest(
    PATH,
    (message: AttachRequest) => Buffer.from(toBinary(AttachRequestSchema, message)),
    (bytes: Buffer) => fromBinary(AttachResponseSchema, bytes),
    metadata,
  );
  let over = false;
  const end = (error: unknown): void => {
    if (over) return;
    over = true;
    client.close();
    events.ended(error);
  };
  call.on("data", (message: AttachResponse) => {
    if (!over) events.message(message);
  });
  call.on("error", end);
  call.on("end", () => end(undefined));
  return {
    get congested() {
      return call.writableNeedDrain;
    },
    send: (message) => {
      if (!over) call.write(message);
    },
    finish: () => {
      if (!over) call.end();
    },
    close: () => {
      call.cancel();
      end(undefined);
    },
  };
}

export function credentialsFor(address: Address): ChannelCredentials {
  return address.secure ? credentials.createSsl() : credentials.createInsecure();
}

/** Codes after which the same hello can only be answered in the same way. */
const FINAL_CODES: ReadonlySet<number> = new Set([
  status.INVALID_ARGUMENT,
  status.UNAUTHENTICATED,
  status.PERMISSION_DENIED,
  status.UNIMPLEMENTED,
  status.NOT_FOUND,
]);

/** The refusal behind a failed call when trying again cannot help; undefined when it may. */
export function finalRefusal(error: unknown): RefusedByServer | undefined {
  if (!isServiceError(error)) return undefined;
  const refusal = refusalIn(error);
  if (refusal !== undefined) return refusal.retryable ? undefined : refusedBy(refusal);
  return FINAL_CODES.has(error.code) ? new RefusedByServer(status[error.code], error.details) : undefined;
}

export function refusedBy(refusal: Refusal): RefusedByServer {
  return new RefusedByServer(
    RefusalReasonSchema.value[refusal.reason]?.localName ?? "UNKNOWN",
    refusal.explanation,
    refusal.remedy,
  );
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "metadata" in error;
}

/** The refusal among the details of `google.rpc.Status`. */
function refusalIn(error: ServiceError): Refusal | undefined {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  if (!(bytes instanceof Uint8Array)) return undefined;
  for (const detail of fromBinary(StatusSchema, bytes).details) {
    const refusal = anyUnpack(detail, RefusalSchema);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}
